package wire

import (
	"strings"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// maxTolerance bounds how far a signed timestamp may be from the host's clock: wider is replay.
const maxTolerance = time.Hour

func (f *faults) verification(path string, v *pluginv1.Verification) {
	if v == nil {
		return
	}
	switch scheme := v.GetScheme().(type) {
	case *pluginv1.Verification_Hmac:
		f.hmac(path+".hmac", scheme.Hmac)
	case *pluginv1.Verification_Basic:
		f.key(path+".basic.user", scheme.Basic.GetUser())
		f.key(path+".basic.password", scheme.Basic.GetPassword())
	case *pluginv1.Verification_Token:
		f.key(path+".token.key", scheme.Token.GetKey())
		f.header(path+".token.header", scheme.Token.GetHeader())
	default:
		f.add(path, "names no scheme")
	}
}

func (f *faults) hmac(path string, h *pluginv1.Hmac) {
	f.key(path+".key", h.GetKey())
	f.header(path+".header", h.GetHeader())
	if e := h.GetEncoding(); e == pluginv1.Encoding_ENCODING_UTF8 {
		f.add(path+".encoding", "a signature is written as hex or base64")
	}
	payload, timestamped := h.GetPayload(), h.GetTimestampHeader() != ""
	if payload != "" && strings.Count(payload, "{body}") != 1 {
		f.add(path+".payload", "%q does not hold {body} exactly once", payload)
	}
	if rest := strings.NewReplacer("{body}", "", "{timestamp}", "").Replace(payload); strings.ContainsAny(rest, "{}") {
		f.add(path+".payload", "%q holds something in braces that is neither {body} nor {timestamp}", payload)
	}
	if signed := strings.Contains(payload, "{timestamp}"); signed != timestamped {
		f.add(path+".timestamp_header", "the timestamp is either signed and checked or neither")
	}
	if !timestamped {
		if h.GetTolerance() != nil {
			f.add(path+".tolerance", "there is no timestamp_header")
		}
		return
	}
	f.header(path+".timestamp_header", h.GetTimestampHeader())
	f.duration(path+".tolerance", h.GetTolerance(), maxTolerance)
	if h.GetTolerance().AsDuration() <= 0 {
		f.add(path+".tolerance", "is missing: without it a call can be replayed for ever")
	}
}

// key checks a settings key, which is a top-level member of the settings object.
func (f *faults) key(path, key string) {
	if key == "" || len(key) > 100 || strings.IndexFunc(key, notUnreserved) >= 0 {
		f.add(path, "%q is not a settings key", key)
	}
}
