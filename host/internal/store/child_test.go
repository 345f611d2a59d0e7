package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bulkhead.dev/host/internal/store"
)

// The test binary runs itself as another host.
const (
	childRole = "BULKHEAD_STORE_TEST_ROLE"
	childDir  = "BULKHEAD_STORE_TEST_DIR"
)

const perChild, childWriters = 150, 4

func child(role, dir string) int {
	ctx := context.Background()
	s, err := store.Open(ctx, dir, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	switch role {
	case "count":
		err = count(ctx, s)
		fmt.Fprintf(os.Stderr, "longest wait %s\n", s.Stats().LongestWait)
	case "spool":
		err = spoolForEver(ctx, s)
	case "join":
		if _, err = s.Join("dying"); err == nil {
			err = spoolForEver(ctx, s)
		}
	default:
		err = errors.New("no such role")
	}
	if err = errors.Join(err, s.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// count raises one counter, in reading and writing, which no two may do at once.
func count(ctx context.Context, s *store.Store) error {
	errs := make([]error, childWriters)
	var wg sync.WaitGroup
	for w := range childWriters {
		wg.Go(func() {
			for range perChild {
				errs[w] = errors.Join(errs[w], s.Write(ctx, func(ctx context.Context, tx *store.Tx) error {
					var n int64
					if _, err := tx.Get(ctx, `SELECT last FROM revisions WHERE instance = 'counter'`, nil, &n); err != nil {
						return err
					}
					_, err := tx.Exec(ctx, `INSERT INTO revisions (instance, last) VALUES ('counter', ?1)
						ON CONFLICT (instance) DO UPDATE SET last = ?1`, n+1)
					return err
				}))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// spoolForEver prints the id of each job once it is acknowledged.
func spoolForEver(ctx context.Context, s *store.Store) error {
	spool := s.Spool("dying", 1<<30)
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	for w := range childWriters {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("%d-%d", w, n)
				err := spool.Append(ctx, []store.SpoolRow{{Queue: "q", JobID: id, Payload: []byte(id)}, {Queue: "q", JobID: id + "b"}})
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					fmt.Println(id)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}

func startChild(t *testing.T, role, dir string) (*exec.Cmd, *bufio.Scanner, *strings.Builder) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	stderr := &strings.Builder{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(stdout), stderr
}

func TestTwoProcessesAndTwoStoresWriteAtOnce(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := open(t, dir)
	type running struct {
		cmd    *exec.Cmd
		stderr *strings.Builder
	}
	var children []running
	for range 2 {
		cmd, _, stderr := startChild(t, "count", dir)
		children = append(children, running{cmd, stderr})
	}
	second := open(t, dir)
	var wg sync.WaitGroup
	for _, host := range []*store.Store{s, second} {
		wg.Go(func() {
			if err := count(t.Context(), host); err != nil {
				t.Errorf("this process: %v", err)
			}
			t.Logf("longest wait %s", host.Stats().LongestWait)
		})
	}
	wg.Wait()
	for _, c := range children {
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("child: %v: %s", err, c.stderr)
		}
		t.Log(strings.TrimSpace(c.stderr.String()))
	}
	var n int
	if err := s.Read().QueryRowContext(t.Context(), `SELECT last FROM revisions WHERE instance = 'counter'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if want := 4 * childWriters * perChild; n != want {
		t.Errorf("counted %d, want %d", n, want)
	}
}

func TestAKilledWriterLosesNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for round := range 3 {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			t.Parallel()
			dir := dataDir(t)
			cmd, lines, stderr := startChild(t, "join", dir)
			var acknowledged []string
			for lines.Scan() {
				acknowledged = append(acknowledged, lines.Text())
				if len(acknowledged) == 200+round*57 {
					if err := cmd.Process.Kill(); err != nil { // SIGKILL; what is in the pipe is still read
						t.Fatal(err)
					}
				}
			}
			if err := cmd.Wait(); err == nil {
				t.Fatalf("the child ended by itself: %s", stderr)
			}
			if len(acknowledged) < 200 {
				t.Fatalf("%d lines: %s", len(acknowledged), stderr)
			}
			s := open(t, dir)
			var check string
			if err := s.Read().QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&check); err != nil || check != "ok" {
				t.Fatalf("integrity: %s %v", check, err)
			}
			dying := s.Spool("dying", 1<<30)
			for _, id := range acknowledged {
				for _, want := range []string{id, id + "b"} {
					if _, ok, err := dying.Find(t.Context(), want); err != nil || !ok {
						t.Fatalf("%s is lost: %v", want, err)
					}
				}
			}
			adoptDead(t, s, len(acknowledged))
		})
	}
}

// adoptDead takes over what the killed child has left.
func adoptDead(t *testing.T, s *store.Store, atLeast int) {
	t.Helper()
	heir := s.Spool("heir", 1)
	dead, err := heir.Orphans(t.Context())
	if err != nil || len(dead) != 1 || dead[0] != "dying" {
		t.Fatalf("orphans %v, %v", dead, err)
	}
	before, err := s.Spool("dying", 1).Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	moved, err := heir.Adopt(t.Context(), "dying")
	if err != nil || moved != before.Rows || moved < int64(2*atLeast) {
		t.Fatalf("moved %d of %+v, %v", moved, before, err)
	}
	after, err := heir.Usage(t.Context())
	if err != nil || after != before {
		t.Errorf("usage %+v, was %+v, %v", after, before, err)
	}
	nodes, err := s.Nodes()
	if err != nil || len(nodes) != 0 {
		t.Errorf("folders left: %v, %v", nodes, err)
	}
}
