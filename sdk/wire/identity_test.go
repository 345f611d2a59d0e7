package wire_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"bulkhead.dev/sdk/wire"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	want := wire.Identity{Certificate: "cert", Key: "key"}
	var pipe bytes.Buffer
	if err := wire.WriteIdentity(&pipe, want); err != nil {
		t.Fatal(err)
	}
	pipe.WriteString("what follows is not read")
	got, err := wire.ReadIdentity(&pipe)
	if err != nil || got != want || pipe.String() != "what follows is not read" {
		t.Errorf("%v %v, left %q", got, err, pipe.String())
	}
	if err := wire.WriteIdentity(&pipe, wire.Identity{Certificate: strings.Repeat("x", 5000)}); err == nil {
		t.Error("an identity above the pipe's buffer was written")
	}
	for name, text := range map[string]string{
		"nothing": "", "half a length": "\x00\x00", "no length": "\x00\x00\x00\x00", "too long": "\x00\x01\x00\x00{}",
		"cut off": "\x00\x00\x00\x09{}", "no JSON": "\x00\x00\x00\x01{", "empty": "\x00\x00\x00\x02{}",
	} {
		if _, err := wire.ReadIdentity(strings.NewReader(text)); !errors.Is(err, wire.ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReadIdentity: what is read as an identity is written as one that reads the same.
func FuzzReadIdentity(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x1f{\"certificate\":\"c\",\"key\":\"k\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := wire.ReadIdentity(bytes.NewReader(data))
		if err != nil {
			return
		}
		var pipe bytes.Buffer
		if wire.WriteIdentity(&pipe, id) != nil {
			return // escaping made it longer than the limit
		}
		if again, err := wire.ReadIdentity(&pipe); err != nil || again != id {
			t.Errorf("%v %v, want %v", again, err, id)
		}
	})
}
