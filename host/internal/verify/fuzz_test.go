package verify_test

import (
	"net/http"
	"testing"
	"time"

	"bulkhead.dev/host/internal/verify"
	"bulkhead.dev/sdk/pluginv1"
)

// FuzzVerify throws any header at every scheme: none may be let in that does not hold the proof.
func FuzzVerify(f *testing.F) {
	schemes := []struct {
		recipe *pluginv1.Verification
		header string
	}{{plainHMAC(), "X-Signature"}, {timedHMAC(), "X-Signature"}, {tokenRecipe("Bearer "), "X-Token"}, {basicRecipe(), "Authorization"}}
	verifiers := make([]*verify.Verifier, len(schemes))
	for i, s := range schemes {
		verifiers[i] = compile(f, s.recipe, theSettings()...)
	}
	f.Add("sha256=00", "1800000000", []byte("{}"))
	f.Add("Basic Og==", "", []byte(nil))
	f.Add("Bearer ", "99999999999", []byte("\xff"))
	f.Fuzz(func(t *testing.T, value, timestamp string, body []byte) {
		for i, v := range verifiers {
			header := http.Header{"X-Time": {timestamp}}
			header.Set(schemes[i].header, value)
			if v.Verify(header, body, now()) == nil {
				t.Fatalf("scheme %d believes %q", i, value)
			}
		}
	})
}

// FuzzSign signs any body and verifies it; then it flips one bit, of the body or of the header.
func FuzzSign(f *testing.F) {
	f.Add([]byte(`{"widget":1}`), "key", int64(1_800_000_000), uint(3))
	f.Add([]byte(nil), "\x00", int64(0), uint(0))
	f.Add([]byte("\xff\x00"), "ключ", int64(253402300799), uint(100))
	f.Fuzz(func(t *testing.T, body []byte, key string, seconds int64, flip uint) {
		if seconds < 0 || seconds > 253402300799 || key == "" {
			return
		}
		at := time.Unix(seconds, 0)
		for _, recipe := range []*pluginv1.Verification{plainHMAC(), timedHMAC()} {
			v := compile(t, recipe, "secret", key)
			header := http.Header{}
			v.Sign(header, body, at)
			if err := v.Verify(header, body, at); err != nil {
				t.Fatalf("refused what was signed: %v", err)
			}
			if len(body) > 0 {
				other := append([]byte(nil), body...)
				other[flip/8%uint(len(other))] ^= 1 << (flip % 8)
				if v.Verify(header, other, at) == nil {
					t.Fatal("a changed body is believed")
				}
			}
			value := []byte(header.Get("X-Signature"))
			value[flip/8%uint(len(value))] ^= 1 << (flip % 8)
			header.Set("X-Signature", string(value))
			if v.Verify(header, body, at) == nil {
				t.Fatalf("a changed signature is believed: %q", value)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	v := compile(b, plainHMAC(), theSettings()...)
	large := make([]byte, 2048)
	header := http.Header{}
	v.Sign(header, large, now())
	b.SetBytes(int64(len(large)))
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Verify(header, large, now()); err != nil {
			b.Fatal(err)
		}
	}
}
