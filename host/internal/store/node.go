package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

const (
	nodesDir = "nodes"
	lockName = "lock"
	// Folders in the making; no node's name begins so.
	newPrefix = ".new-"
)

// Node is the folder of one running host within the data directory, held by a lock that ends with the process. Sockets
// live in it. Whoever joined closes it.
type Node struct {
	id   string
	dir  string
	lock *fileLock
}

// NodeInfo is one folder under nodes/.
type NodeInfo struct {
	ID    string
	Dir   string
	Alive bool
}

func validNode(id string) error {
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`).MatchString(id) {
		return &InvalidError{Field: "node", Reason: "is not made of 1 to 64 letters, digits, - and _"}
	}
	return nil
}

// Join makes the folder nodes/<id>/ with mode 0700 and locks it. An id is joined once: ErrNodeAlive when another process
// holds it. The caller closes the Node.
func (s *Store) Join(id string) (*Node, error) {
	if err := validNode(id); err != nil {
		return nil, err
	}
	dir := s.nodeDir(id)
	// Locked under another name first, so that nobody sees the folder of a living node without its lock.
	making, err := os.MkdirTemp(filepath.Join(s.dir, nodesDir), newPrefix)
	if err != nil {
		return nil, fmt.Errorf("store: node: %w", err)
	}
	lock, ok, err := tryLockFile(filepath.Join(making, lockName))
	if err != nil || !ok {
		return nil, errors.Join(fmt.Errorf("store: node: lock: %w", err), os.RemoveAll(making))
	}
	if err := os.Rename(making, dir); err == nil {
		return &Node{id: id, dir: dir, lock: lock}, nil
	}
	// The folder is there already: left by a dead process, or held by a living one.
	if err := errors.Join(lock.Close(), os.RemoveAll(making)); err != nil {
		return nil, fmt.Errorf("store: node: %w", err)
	}
	return s.retake(id)
}

// retake locks a folder that is there.
func (s *Store) retake(id string) (*Node, error) {
	dir := s.nodeDir(id)
	path := filepath.Join(dir, lockName)
	lock, ok, err := tryLockFile(path)
	if err != nil {
		return nil, fmt.Errorf("store: node: lock: %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNodeAlive, id)
	}
	// Between opening and locking, its holder may have removed the folder.
	if held, err := sameFile(lock.file, path); !held {
		return nil, errors.Join(fmt.Errorf("%w: %s is being removed", ErrNodeAlive, id), err, lock.Close())
	}
	return &Node{id: id, dir: dir, lock: lock}, nil
}

func sameFile(file *os.File, path string) (bool, error) {
	mine, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

// claim holds a dead node's folder; a node without one is dead, and its claim holds nothing.
func (s *Store) claim(id string) (*Node, error) {
	if err := validNode(id); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(s.nodeDir(id), lockName)); errors.Is(err, fs.ErrNotExist) {
		return &Node{id: id, dir: s.nodeDir(id)}, nil
	}
	return s.retake(id)
}

// alive tells whether a process holds the node's lock.
func (s *Store) alive(id string) (bool, error) {
	held, err := probeLock(filepath.Join(s.nodeDir(id), lockName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // without a folder: never joined, or gone
		return false, fmt.Errorf("store: node: lock: %w", err)
	}
	return held, nil
}

// Nodes lists the folders under nodes/, in the order of their names: those of the living, and those that dead processes
// have left.
func (s *Store) Nodes() ([]NodeInfo, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, nodesDir))
	if err != nil {
		return nil, fmt.Errorf("store: nodes: %w", err)
	}
	var nodes []NodeInfo
	for _, entry := range entries {
		if !entry.IsDir() || validNode(entry.Name()) != nil {
			continue
		}
		alive, err := s.alive(entry.Name())
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, NodeInfo{ID: entry.Name(), Dir: s.nodeDir(entry.Name()), Alive: alive})
	}
	return nodes, nil
}

func (s *Store) nodeDir(id string) string { return filepath.Join(s.dir, nodesDir, id) }

// ID returns the node's name.
func (n *Node) ID() string { return n.id }

// Dir returns the absolute path of the node's folder, mode 0700.
func (n *Node) Dir() string { return n.dir }

// Close removes the folder with all in it and gives the lock up.
func (n *Node) Close() error {
	err := os.RemoveAll(n.dir)
	if n.lock != nil {
		err = errors.Join(err, n.lock.Close())
	}
	if err != nil {
		return fmt.Errorf("store: node: %w", err)
	}
	return nil
}
