package state_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/internal/disposition"
	"bulkhead.dev/sdk/state"
)

// vendor holds what was created, in order.
type vendor struct {
	mu      sync.Mutex
	created []string
	finds   int
}

func (v *vendor) find(context.Context) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.finds++
	if len(v.created) == 0 {
		return "", nil
	}
	return v.created[0], nil
}

func (v *vendor) create(context.Context) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.created = append(v.created, fmt.Sprintf("OPS-%d", len(v.created)+1))
	return v.created[len(v.created)-1], nil
}

// clock is a time that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func TestEnsure(t *testing.T) {
	t.Parallel()
	host, client := serve(t)
	ctx, links, v := inRun(within(t), "job-1", "run-1"), client.Links("a"), &vendor{}
	link, err := links.Ensure(ctx, "7", v.find, v.create)
	if err != nil || link.Target != "OPS-1" || link.Revision != 2 {
		t.Fatalf("Ensure: %+v, %v", link, err)
	}
	if diff := cmp.Diff([]string{"ReadState run-1", "CommitState run-1", "CommitState run-1"}, host.seen()); diff != "" {
		t.Error(diff)
	}
	again, err := links.Ensure(ctx, "7", v.find, v.create)
	if err != nil || again != link {
		t.Errorf("the second Ensure: %+v, %v, want %+v", again, err, link)
	}
	if calls := host.seen(); len(calls) != 1 || len(v.created) != 1 || v.finds != 0 {
		t.Errorf("the second Ensure made %v, created %v, asked find %d times", calls, v.created, v.finds)
	}
	if got, ok, err := links.Get(ctx, "7"); !ok || err != nil || got != link {
		t.Errorf("Get: %+v, %v, %v", got, ok, err)
	}
}

// TestEnsureMendsADeath ends the process of the first run at each step, then lets others try.
func TestEnsureMendsADeath(t *testing.T) {
	t.Parallel()
	steps := []struct {
		name    string
		commits int  // of the first run that still come through
		lost    bool // the next one is carried out too, but its answer is lost
		posts   bool // create reaches the vendor
		intent  bool // something is left that must be claimed
	}{
		{name: "before the intent", commits: 0},
		{name: "intent written, its answer lost", commits: 0, lost: true, intent: true},
		{name: "before create", commits: 1, intent: true},
		{name: "after create", commits: 1, posts: true, intent: true},
		{name: "link written, its answer lost", commits: 1, posts: true, lost: true},
	}
	others := []struct {
		name, job string
		wait      time.Duration
		busy      bool
	}{
		{name: "the same job's next run", job: "job-1"},
		{name: "another job at once", job: "job-2", busy: true},
		{name: "another job when the claim is over", job: "job-2", wait: 3 * time.Minute},
	}
	for _, step := range steps {
		for _, other := range others {
			t.Run(step.name+", "+other.name, func(t *testing.T) {
				t.Parallel()
				host, plain := serve(t)
				clock := &clock{}
				links, v := plain.WithClock(clock.now).Links("a"), &vendor{}
				ctx := within(t)
				die(host, "run-1", step.commits, step.lost)
				_, err := links.Ensure(inRun(ctx, "job-1", "run-1"), "7", v.find, func(ctx context.Context) (string, error) {
					if !step.posts {
						return "", errors.New("died before the request")
					}
					return v.create(ctx)
				})
				if err == nil {
					t.Fatal("the first run did not notice its death")
				}
				clock.advance(other.wait)
				link, err := links.Ensure(inRun(ctx, other.job, "run-2"), "7", v.find, v.create)
				if other.busy && step.intent {
					if d, _ := disposition.Of(err); !errors.Is(err, state.ErrBusy) || !d.Free || d.Reject || d.After <= 0 || d.After > 5*time.Second {
						t.Errorf("beside a living claim: %+v, %v", link, err)
					}
					return
				}
				if err != nil || link.Target != "OPS-1" {
					t.Errorf("the next run: %+v, %v", link, err)
				}
				if !slices.Equal(v.created, []string{"OPS-1"}) {
					t.Errorf("created %v, want one", v.created)
				}
				if got, ok, err := links.Get(ctx, "7"); !ok || err != nil || got != link {
					t.Errorf("Get: %+v, %v, %v, want %+v", got, ok, err, link)
				}
			})
		}
	}
}

// die cuts run off after some commits; the answer of the next one, if it is carried out at all, is lost.
func die(host *fakeHost, run string, commits int, lost bool) {
	var mu sync.Mutex
	done := 0
	gone := status.Error(codes.Unavailable, "the process is gone")
	host.refuse(
		func(method, of string) error {
			mu.Lock()
			defer mu.Unlock()
			if of != run || method != "CommitState" || done < commits || (lost && done == commits) {
				return nil
			}
			return gone
		},
		func(method, of string) error {
			mu.Lock()
			defer mu.Unlock()
			if of != run || method != "CommitState" {
				return nil
			}
			if done++; done > commits {
				return gone
			}
			return nil
		})
}

// TestEnsureGivesBack: an error, unlike a death, leaves the intent free for whoever comes next.
func TestEnsureGivesBack(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	ctx, links, v := within(t), client.Links("a"), &vendor{}
	unclear := errors.New("timed out")
	_, err := links.Ensure(inRun(ctx, "job-1", "run-1"), "7", v.find, func(ctx context.Context) (string, error) {
		if _, err := v.create(ctx); err != nil {
			return "", err
		}
		return "", unclear
	})
	if !errors.Is(err, unclear) {
		t.Fatalf("Ensure: %v, want create's error", err)
	}
	if _, ok, err := links.Get(ctx, "7"); ok || err != nil {
		t.Errorf("Get of an intent: %v, %v", ok, err)
	}
	for link, err := range links.All(ctx) {
		t.Errorf("All yields the intent %+v, %v", link, err)
	}
	link, err := links.Ensure(inRun(ctx, "job-2", "run-2"), "7", v.find, v.create)
	if err != nil || link.Target != "OPS-1" || len(v.created) != 1 || v.finds != 1 {
		t.Errorf("the next: %+v, %v; created %v, finds %d", link, err, v.created, v.finds)
	}

	failing := func(context.Context) (string, error) { return "", unclear }
	empty := func(context.Context) (string, error) { return "", nil }
	if _, err := links.Ensure(ctx, "8", failing, empty); err == nil {
		t.Error("an empty id was taken")
	}
	if _, err := links.Ensure(ctx, "8", failing, v.create); !errors.Is(err, unclear) || len(v.created) != 1 {
		t.Errorf("create went out although find failed: %v, created %v", err, v.created)
	}
}

// TestEnsureGivesBackWhenCancelled: the end of the run's context must not keep the next one waiting.
func TestEnsureGivesBackWhenCancelled(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	ctx, links, v := within(t), client.Links("a"), &vendor{}
	run, cancel := context.WithCancel(inRun(ctx, "job-1", "run-1"))
	_, err := links.Ensure(run, "7", v.find, func(ctx context.Context) (string, error) {
		cancel()
		return "", ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("Ensure: %v", err)
	}
	if link, err := links.Ensure(inRun(ctx, "job-2", "run-2"), "7", v.find, v.create); err != nil || link.Target != "OPS-1" {
		t.Errorf("the next: %+v, %v", link, err)
	}
}

func TestEnsureOfConcurrentRuns(t *testing.T) {
	t.Parallel()
	_, client := serve(t)
	ctx, links, v := within(t), client.Links("a"), &vendor{}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			run := inRun(ctx, fmt.Sprintf("job-%d", i), fmt.Sprintf("run-%d", i))
			for {
				link, err := links.Ensure(run, "7", v.find, v.create)
				switch {
				case errors.Is(err, state.ErrBusy):
					runtime.Gosched()
					continue
				case err != nil || link.Target != "OPS-1":
					t.Errorf("run %d: %+v, %v", i, link, err)
				}
				return
			}
		})
	}
	wg.Wait()
	if len(v.created) != 1 || v.finds != 0 {
		t.Errorf("created %v, finds %d", v.created, v.finds)
	}
}

// TestEnsureTakenOver: a run that outlives its claim does not overwrite its successor's link, and says what it left.
func TestEnsureTakenOver(t *testing.T) {
	t.Parallel()
	_, plain := serve(t)
	clock := &clock{}
	ctx, links, v := within(t), plain.WithClock(clock.now).Links("a"), &vendor{}
	nothing := func(context.Context) (string, error) { return "", nil }
	var second state.Link
	first, err := links.Ensure(inRun(ctx, "job-1", "run-1"), "7", nothing, func(create context.Context) (string, error) {
		deadline, ok := create.Deadline()
		if own, _ := ctx.Deadline(); !ok || deadline.After(own) {
			t.Errorf("create's context ends at %v, the run's at %v", deadline, own)
		}
		if _, err := links.Ensure(inRun(ctx, "job-2", "run-2"), "7", nothing, v.create); !errors.Is(err, state.ErrBusy) {
			t.Errorf("while the claim lives: %v, want ErrBusy", err)
		}
		if _, err := links.Ensure(inRun(ctx, "job-1", "run-1"), "7", nothing, v.create); !errors.Is(err, state.ErrBusy) {
			t.Errorf("twice in one run: %v, want ErrBusy", err)
		}
		clock.advance(3 * time.Minute)
		var err error
		if second, err = links.Ensure(inRun(ctx, "job-2", "run-2"), "7", nothing, v.create); err != nil {
			t.Errorf("after the claim: %v", err)
		}
		return "OPS-late", nil
	})
	var stray *state.StrayError
	if !errors.As(err, &stray) || stray.Kept != "OPS-1" || stray.Stray != "OPS-late" || first != second {
		t.Errorf("the late run: %+v, %v, want %+v and a StrayError", first, err, second)
	}
	if d, ok := disposition.Of(err); !ok || !d.Reject {
		t.Errorf("disposition %+v", d)
	}
	if got, _, _ := links.Get(ctx, "7"); got != second {
		t.Errorf("the link is %+v, want the successor's %+v", got, second)
	}
}
