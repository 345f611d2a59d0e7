package queue_test

import (
	"bytes"
	"net"
	"path/filepath"
	"sync"
	"testing"
)

// proxy stands between one node and Redis and can be unkind.
type proxy struct {
	socket string
	l      net.Listener
	to     string
	wg     sync.WaitGroup

	mu     sync.Mutex
	open   *sync.Cond
	paused bool   // nothing passes in either direction
	deaf   bool   // requests pass, replies are dropped (but for the greeting, without which nothing is sent)
	slow   string // replies wait on a connection on which this word was sent
	closed bool
	conns  map[net.Conn]bool
}

func startProxy(t testing.TB, s *server) *proxy {
	t.Helper()
	p := &proxy{socket: filepath.Join(filepath.Dir(s.socket), "p"), to: s.socket, conns: map[net.Conn]bool{}}
	p.open = sync.NewCond(&p.mu)
	var err error
	if p.l, err = (&net.ListenConfig{}).Listen(t.Context(), "unix", p.socket); err != nil {
		t.Fatal(err)
	}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.open.Broadcast()
		p.mu.Unlock()
		_ = p.l.Close()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "unix://" + p.socket }

func (p *proxy) accept() {
	for {
		in, err := p.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("unix", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		p.mu.Unlock()
		var slow bool // under p.mu
		p.wg.Go(func() { p.pump(out, in, false, &slow) })
		p.wg.Go(func() { p.pump(in, out, true, &slow) })
	}
}

func (p *proxy) pump(to, from net.Conn, replies bool, slow *bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 64<<10)
	for first := true; ; first = false {
		n, err := from.Read(buf)
		p.mu.Lock()
		if p.slow != "" && !replies && bytes.Contains(buf[:n], []byte(p.slow)) {
			*slow = true
		}
		for (p.paused || p.slow != "" && *slow && replies) && !p.closed {
			p.open.Wait()
		}
		drop := p.deaf && replies && !first
		p.mu.Unlock()
		if n > 0 && !drop {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// set changes how unkind it is.
func (p *proxy) set(paused, deaf bool) {
	p.mu.Lock()
	p.paused, p.deaf = paused, deaf
	p.open.Broadcast()
	p.mu.Unlock()
}

// hold makes the replies to a command wait; no command lets them go.
func (p *proxy) hold(command string) {
	p.mu.Lock()
	p.slow = command
	p.open.Broadcast()
	p.mu.Unlock()
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
	p.mu.Unlock()
}
