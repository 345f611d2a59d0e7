package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/host/internal/store"
)

func TestJoinIsExclusiveAndPrivate(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, other := open(t, dir), open(t, dir)
	node, err := s.Join("n1")
	if err != nil {
		t.Fatal(err)
	}
	if node.ID() != "n1" || node.Dir() != filepath.Join(s.Dir(), "nodes", "n1") {
		t.Errorf("node %s in %s", node.ID(), node.Dir())
	}
	info, err := os.Stat(node.Dir())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := other.Join("n1"); !errors.Is(err, store.ErrNodeAlive) {
		t.Errorf("joined twice: %v", err)
	}
	nodes, err := other.Nodes()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]store.NodeInfo{{ID: "n1", Dir: node.Dir(), Alive: true}}, nodes); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(filepath.Join(node.Dir(), "a.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	if nodes, err = other.Nodes(); err != nil || len(nodes) != 0 {
		t.Errorf("left %v, %v", nodes, err)
	}
	again, err := other.Join("n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderOfADeadNodeIsSeenAndRetaken(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	for _, id := range []string{"with-lock", "without"} { // as kill -9 leaves them, the second while being removed
		left := filepath.Join(s.Dir(), "nodes", id)
		if err := os.Mkdir(left, 0o700); err != nil {
			t.Fatal(err)
		}
		name := "lock"
		if id == "without" {
			name = "a.sock"
		}
		if err := os.WriteFile(filepath.Join(left, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := s.Nodes()
	if err != nil || len(nodes) != 2 || nodes[0].Alive || nodes[1].Alive {
		t.Fatalf("nodes %+v, %v", nodes, err)
	}
	for _, n := range nodes {
		node, err := s.Join(n.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJoinRefusesBadNames(t *testing.T) {
	t.Parallel()
	s := open(t, dataDir(t))
	for _, id := range []string{"", ".", "..", "a/b", "../x", ".new-1", "a b", string(make([]byte, 65))} {
		if node, err := s.Join(id); err == nil {
			_ = node.Close()
			t.Errorf("joined %q", id)
		}
	}
}
