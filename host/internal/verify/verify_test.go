package verify_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"bulkhead.dev/host/internal/verify"
	"bulkhead.dev/sdk/pluginv1"
)

func now() time.Time { return time.Unix(1_800_000_000, 0) }

func body() []byte { return []byte(`{"widget":1}`) }

func plainHMAC() *pluginv1.Verification {
	return hmacRecipe(&pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: utf8Enc, Encoding: hexEnc, Prefix: "sha256="})
}

func timedHMAC() *pluginv1.Verification {
	return hmacRecipe(&pluginv1.Hmac{
		Hash: sha256Hsh, KeyEncoding: utf8Enc, Encoding: base64Enc, Payload: "{timestamp}.{body}",
		TimestampHeader: "X-Time", Tolerance: durationpb.New(5 * time.Minute),
	})
}

func tokenRecipe(prefix string) *pluginv1.Verification {
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Token{Token: &pluginv1.Token{Key: "secret", Header: "X-Token", Prefix: prefix}}}
}

func basicRecipe() *pluginv1.Verification {
	return &pluginv1.Verification{Scheme: &pluginv1.Verification_Basic{Basic: &pluginv1.Basic{User: "user", Password: "secret"}}}
}

const theSecret = "s3cr3t-v4lue"

func theSettings() []string { return []string{"secret", theSecret, "user", "the-user"} }

// TestRefusals changes one thing of a signed call and looks at the step that refuses it.
func TestRefusals(t *testing.T) {
	t.Parallel()
	basic := func(text string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(text)) }
	set := func(name, value string) func(http.Header) { return func(h http.Header) { h.Set(name, value) } }
	add := func(name string) func(http.Header) { return func(h http.Header) { h.Add(name, h.Get(name)) } }
	del := func(name string) func(http.Header) { return func(h http.Header) { h.Del(name) } }
	edit := func(name string, f func(string) string) func(http.Header) {
		return func(h http.Header) { h.Set(name, f(h.Get(name))) }
	}
	upperHex := func(v string) string { return "sha256=" + strings.ToUpper(strings.TrimPrefix(v, "sha256=")) }
	oneUpper := func(v string) string {
		i := strings.LastIndexAny(v, "abcdef")
		return v[:i] + strings.ToUpper(v[i:i+1]) + v[i+1:]
	}
	for name, tt := range map[string]struct {
		recipe *pluginv1.Verification
		change func(http.Header)
		body   string // in place of the one that was signed
		want   verify.Step
	}{
		"hmac, as signed":         {recipe: plainHMAC()},
		"hmac, absent":            {plainHMAC(), del("X-Signature"), "", verify.StepMissing},
		"hmac, empty":             {plainHMAC(), set("X-Signature", ""), "", verify.StepMissing},
		"hmac, twice the same":    {plainHMAC(), add("X-Signature"), "", verify.StepRepeated},
		"hmac, no prefix":         {plainHMAC(), edit("X-Signature", func(v string) string { return v[7:] }), "", verify.StepMalformed},
		"hmac, prefix in capital": {plainHMAC(), edit("X-Signature", strings.ToUpper), "", verify.StepMalformed},
		"hmac, other algorithm":   {plainHMAC(), edit("X-Signature", func(v string) string { return "sha1=" + v[7:] }), "", verify.StepMalformed},
		"hmac, hex in capitals":   {plainHMAC(), edit("X-Signature", upperHex), "", ""},
		"hmac, hex in both":       {plainHMAC(), edit("X-Signature", oneUpper), "", verify.StepMalformed},
		"hmac, cut":               {plainHMAC(), edit("X-Signature", func(v string) string { return v[:len(v)-2] }), "", verify.StepMalformed},
		"hmac, longer":            {plainHMAC(), edit("X-Signature", func(v string) string { return v + "00" }), "", verify.StepMalformed},
		"hmac, two in one":        {plainHMAC(), edit("X-Signature", func(v string) string { return v + "," + v }), "", verify.StepMalformed},
		"hmac, not hex":           {plainHMAC(), edit("X-Signature", func(v string) string { return v[:len(v)-1] + "g" }), "", verify.StepMalformed},
		"hmac, of another":        {plainHMAC(), set("X-Signature", "sha256="+strings.Repeat("0", 64)), "", verify.StepMismatch},
		"hmac, other body":        {plainHMAC(), nil, `{"widget":2}`, verify.StepMismatch},
		"hmac, re-serialised":     {plainHMAC(), nil, `{"widget": 1}`, verify.StepMismatch},

		"timed, as signed":       {recipe: timedHMAC()},
		"timed, no time":         {timedHMAC(), del("X-Time"), "", verify.StepMissing},
		"timed, two times":       {timedHMAC(), add("X-Time"), "", verify.StepRepeated},
		"timed, no number":       {timedHMAC(), set("X-Time", "now"), "", verify.StepMalformed},
		"timed, signed number":   {timedHMAC(), edit("X-Time", func(v string) string { return "+" + v }), "", verify.StepMalformed},
		"timed, negative":        {timedHMAC(), set("X-Time", "-1"), "", verify.StepMalformed},
		"timed, milliseconds":    {timedHMAC(), edit("X-Time", func(v string) string { return v + "000" }), "", verify.StepMalformed},
		"timed, absurd":          {timedHMAC(), set("X-Time", "9223372036854775807"), "", verify.StepMalformed},
		"timed, too old":         {timedHMAC(), set("X-Time", "1799999699"), "", verify.StepStale},
		"timed, too new":         {timedHMAC(), set("X-Time", "1800000301"), "", verify.StepStale},
		"timed, just old, other": {timedHMAC(), set("X-Time", "1799999700"), "", verify.StepMismatch},
		"timed, just new, other": {timedHMAC(), set("X-Time", "1800000300"), "", verify.StepMismatch},
		"timed, same, rewritten": {timedHMAC(), edit("X-Time", func(v string) string { return "0" + v }), "", verify.StepMismatch},
		"timed, no padding":      {timedHMAC(), edit("X-Signature", func(v string) string { return strings.TrimRight(v, "=") }), "", verify.StepMalformed},
		"timed, line end":        {timedHMAC(), edit("X-Signature", func(v string) string { return v[:20] + "\n" + v[20:] }), "", verify.StepMalformed},

		"token, as it is":         {recipe: tokenRecipe("")},
		"token, with prefix":      {recipe: tokenRecipe("Bearer ")},
		"token, absent":           {tokenRecipe(""), del("X-Token"), "", verify.StepMissing},
		"token, twice":            {tokenRecipe(""), add("X-Token"), "", verify.StepRepeated},
		"token, no prefix":        {tokenRecipe("Bearer "), set("X-Token", theSecret), "", verify.StepMalformed},
		"token, beginning only":   {tokenRecipe(""), set("X-Token", theSecret[:5]), "", verify.StepMismatch},
		"token, and more":         {tokenRecipe(""), set("X-Token", theSecret+"x"), "", verify.StepMismatch},
		"token, nothing after it": {tokenRecipe("Bearer "), set("X-Token", "Bearer "), "", verify.StepMismatch},

		"basic, as it is":       {recipe: basicRecipe()},
		"basic, scheme's case":  {basicRecipe(), edit("Authorization", func(v string) string { return "bASIC" + v[5:] }), "", ""},
		"basic, absent":         {basicRecipe(), del("Authorization"), "", verify.StepMissing},
		"basic, twice":          {basicRecipe(), add("Authorization"), "", verify.StepRepeated},
		"basic, other scheme":   {basicRecipe(), set("Authorization", "Bearer x"), "", verify.StepMalformed},
		"basic, scheme alone":   {basicRecipe(), set("Authorization", "Basic"), "", verify.StepMalformed},
		"basic, not base64":     {basicRecipe(), set("Authorization", "Basic ???"), "", verify.StepMalformed},
		"basic, no colon":       {basicRecipe(), set("Authorization", basic("the-user")), "", verify.StepMalformed},
		"basic, wrong user":     {basicRecipe(), set("Authorization", basic("user:"+theSecret)), "", verify.StepMismatch},
		"basic, wrong password": {basicRecipe(), set("Authorization", basic("the-user:x")), "", verify.StepMismatch},
		"basic, colon more":     {basicRecipe(), set("Authorization", basic("the-user:"+theSecret+":")), "", verify.StepMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := compile(t, tt.recipe, theSettings()...)
			header := http.Header{}
			v.Sign(header, body(), now())
			expected := header.Clone()
			if tt.change != nil {
				tt.change(header)
			}
			given := body()
			if tt.body != "" {
				given = []byte(tt.body)
			}
			err := v.Verify(header, given, now())
			if tt.want == "" {
				if err != nil {
					t.Fatalf("Verify = %v", err)
				}
				return
			}
			var refusal *verify.Refusal
			if !errors.As(err, &refusal) || refusal.Step != tt.want {
				t.Fatalf("Verify = %v, want it refused as %q", err, tt.want)
			}
			for _, values := range expected {
				if text := err.Error(); strings.Contains(text, theSecret) || strings.Contains(text, values[0]) {
					t.Errorf("%q tells too much", text)
				}
			}
		})
	}
}

func TestKeysAreNamed(t *testing.T) {
	t.Parallel()
	hexKey := hmacRecipe(&pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: hexEnc, Encoding: hexEnc})
	base64Key := hmacRecipe(&pluginv1.Hmac{Hash: sha256Hsh, KeyEncoding: base64Enc, Encoding: hexEnc})
	for name, tt := range map[string]struct {
		recipe   *pluginv1.Verification
		settings []string
		want     []string
	}{
		"hmac, absent":         {plainHMAC(), nil, []string{`setting "secret" is missing`}},
		"hmac, empty":          {plainHMAC(), []string{"secret", ""}, []string{`setting "secret" is missing`}},
		"hmac, not hex":        {hexKey, []string{"secret", theSecret}, []string{`setting "secret" is not written in hex`}},
		"hmac, not base64":     {base64Key, []string{"secret", theSecret}, []string{`setting "secret" is not written in base64`}},
		"hmac, only line ends": {base64Key, []string{"secret", "\n"}, []string{`setting "secret" is not written in base64`}},
		"token, absent":        {tokenRecipe(""), nil, []string{`setting "secret" is missing`}},
		"token, line end":      {tokenRecipe(""), []string{"secret", "x\n"}, []string{`setting "secret" holds characters`}},
		"token, blank":         {tokenRecipe(""), []string{"secret", " x"}, []string{`setting "secret" holds characters`}},
		"basic, both absent":   {basicRecipe(), nil, []string{`setting "user" is missing`, `setting "secret" is missing`}},
		"basic, colon":         {basicRecipe(), []string{"user", "a:b", "secret", "x"}, []string{`setting "user" holds a colon`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := verify.Compile(tt.recipe, settings(tt.settings...))
			var key *verify.KeyError
			if v != nil || !errors.As(err, &key) {
				t.Fatalf("Compile = %v, %v; want a KeyError", v, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not hold %q", err, want)
				}
			}
			if strings.Contains(err.Error(), theSecret) {
				t.Errorf("error %q tells too much", err)
			}
		})
	}
}

func TestRecipesThatProveNothing(t *testing.T) {
	t.Parallel()
	good := func(change func(*pluginv1.Hmac)) *pluginv1.Verification {
		r := timedHMAC()
		change(r.GetHmac())
		return r
	}
	for name, tt := range map[string]struct {
		recipe *pluginv1.Verification
		want   string
	}{
		"no recipe":          {nil, "names no scheme"},
		"no scheme":          {&pluginv1.Verification{}, "names no scheme"},
		"no hash":            {good(func(h *pluginv1.Hmac) { h.Hash = 0 }), "unknown hash"},
		"no key":             {good(func(h *pluginv1.Hmac) { h.Key = "" }), "names no settings key"},
		"no key encoding":    {good(func(h *pluginv1.Hmac) { h.KeyEncoding = 0 }), "unknown encoding"},
		"header":             {good(func(h *pluginv1.Hmac) { h.Header = "X Y" }), `"X Y" is no header name`},
		"encoding":           {good(func(h *pluginv1.Hmac) { h.Encoding = utf8Enc }), "hex or base64"},
		"body not signed":    {good(func(h *pluginv1.Hmac) { h.Payload = "{timestamp}" }), "does not have {body}"},
		"unknown part":       {good(func(h *pluginv1.Hmac) { h.Payload = "{timestamp}{url}{body}" }), "only {body} and {timestamp}"},
		"brace":              {good(func(h *pluginv1.Hmac) { h.Payload = "{timestamp}{body}}" }), "only {body} and {timestamp}"},
		"time not signed":    {good(func(h *pluginv1.Hmac) { h.Payload = "" }), "does not have {timestamp}"},
		"time from nowhere":  {good(func(h *pluginv1.Hmac) { h.TimestampHeader = "" }), "no timestamp header is named"},
		"time's header":      {good(func(h *pluginv1.Hmac) { h.TimestampHeader = "a:b" }), `"a:b" is no header name`},
		"one header":         {good(func(h *pluginv1.Hmac) { h.TimestampHeader = "x-signature" }), "can't share"},
		"no tolerance":       {good(func(h *pluginv1.Hmac) { h.Tolerance = nil }), "tolerance above zero"},
		"negative tolerance": {good(func(h *pluginv1.Hmac) { h.Tolerance = durationpb.New(-1) }), "tolerance above zero"},
		"token's header":     {&pluginv1.Verification{Scheme: &pluginv1.Verification_Token{Token: &pluginv1.Token{Key: "secret"}}}, "no header name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := verify.Compile(tt.recipe, settings(theSettings()...))
			if v != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Compile = %v, %v; want an error with %q", v, err, tt.want)
			}
		})
	}
}

func TestSignReplaces(t *testing.T) {
	t.Parallel()
	v := compile(t, timedHMAC(), theSettings()...)
	header := http.Header{"X-Signature": {"old", "older"}, "X-Time": {"1"}, "X-Other": {"kept"}}
	v.Sign(header, body(), now())
	if err := v.Verify(header, body(), now()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"1800000000"}, header["X-Time"]); diff != "" || header.Get("X-Other") != "kept" {
		t.Errorf("header = %v", header)
	}
}
