package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Identity is the TLS server pair that the host makes for one plugin process and hands over through its standard
// input, never through the environment: the environment of a process can be read by others of its user.
type Identity struct {
	// Certificate and Key are PEM.
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// maxIdentity bounds what is read before the first byte is trusted. It is also what a pipe takes at once (PIPE_BUF),
// so that writing to a plugin that never reads does not block.
const maxIdentity = 4 << 10

// ErrIdentity says that what came through the lifeline is no identity.
var ErrIdentity = errors.New("no identity on standard input")

// WriteIdentity writes id as a big-endian uint32 length and that many bytes of JSON, in one write.
func WriteIdentity(w io.Writer, id Identity) error {
	body, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	if len(body)+4 > maxIdentity {
		return fmt.Errorf("identity of %d bytes is above %d", len(body), maxIdentity-4)
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, len(body)+4), uint32(len(body))) //nolint:gosec // G115: bounded two lines above
	if _, err := w.Write(append(frame, body...)); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	return nil
}

// ReadIdentity reads what WriteIdentity wrote and not a byte more.
func ReadIdentity(r io.Reader) (Identity, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > maxIdentity-4 {
		return Identity{}, fmt.Errorf("%w: length %d", ErrIdentity, size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	var id Identity
	if err := json.Unmarshal(body, &id); err != nil {
		return Identity{}, fmt.Errorf("%w: %w", ErrIdentity, err)
	}
	if id.Certificate == "" || id.Key == "" {
		return Identity{}, fmt.Errorf("%w: certificate or key is missing", ErrIdentity)
	}
	return id, nil
}
