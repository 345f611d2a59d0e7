package supervisor_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bulkhead.dev/host/internal/supervisor"
)

func TestRunInAProcessOfItsOwn(t *testing.T) {
	t.Parallel()
	b := start(t, binaries.echo)
	b.await(supervisor.StateReady)
	ended := <-b.runAlone("t1", "echo.say", `{"text":"alone"}`)
	if got := string(ended.Outcome.GetDone().GetData()); got != `{"text":"alone"}` {
		t.Errorf("answer %q, end %+v", got, ended)
	}
	// That process ends; another job does not notice.
	ended = <-b.run("t2", "echo.say", `{"text":"with others"}`)
	if ended.Outcome.GetDone() == nil {
		t.Errorf("end %+v", ended)
	}
}

// fill starts as many runs as may run alone; none of them is ever answered.
func fill(t *testing.T, b *bench) map[string]<-chan supervisor.Ended {
	t.Helper()
	runs := map[string]<-chan supervisor.Ended{}
	for i := range 4 {
		token := "t" + strconv.Itoa(i)
		runs[token] = b.runAlone(token, "hostile.any", "{}")
	}
	return runs
}

func TestProcessesOfTheirOwnAreBoundedAndFound(t *testing.T) {
	t.Parallel()
	b := start(t, hostile(t, "stubborn"), impatient)
	b.await(supervisor.StateReady)
	runs := fill(t, b)
	if err := b.domain.StartAlone(t.Context(), order("late", "hostile.any", "{}"), nil); !errors.Is(err, supervisor.ErrNoRoom) {
		t.Errorf("one too many: %v; want ErrNoRoom", err)
	}
	for token := range runs {
		b.domain.Cancel(token, "test") // reaches it; it does not care
		if !b.domain.Forget(token) {
			t.Errorf("run %s is not found", token)
		}
		if b.domain.Forget(token) {
			t.Errorf("run %s was forgotten twice", token)
		}
	}
	// The processes of forgotten runs end, and give their places to others.
	for token := range fill(t, b) {
		if !b.domain.Forget(token) {
			t.Errorf("run %s is not found", token)
		}
	}
	for token, ended := range runs {
		select {
		case e := <-ended:
			t.Errorf("run %s was forgotten and ended all the same: %+v", token, e)
		default:
		}
	}
}

func TestStopEndsProcessesOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := start(t, hostile(t, "stubborn"), impatient)
	b.await(supervisor.StateReady)
	runs := fill(t, b)
	b.end()
	for token, ended := range runs {
		if e := <-ended; e.Died || e.Outcome != nil {
			t.Errorf("run %s: %+v; want it interrupted by the host", token, e)
		}
	}
	if err := b.domain.StartAlone(t.Context(), order("late", "hostile.any", "{}"), nil); !errors.Is(err, supervisor.ErrNotRunning) {
		t.Errorf("a run after the end: %v; want ErrNotRunning", err)
	}
}

func TestRunAloneThatBreaksItsProcess(t *testing.T) {
	t.Parallel()
	b := start(t, hostile(t, "leave"))
	pid := b.await(supervisor.StateReady).PID
	if e := <-b.runAlone("t1", "hostile.any", "{}"); !e.Died || e.Outcome != nil {
		t.Errorf("end %+v; want a death", e)
	}
	if info := b.domain.Info(); info.State != supervisor.StateReady || info.PID != pid {
		t.Errorf("the others' process: %+v; want it untouched (pid %d)", info, pid)
	}
}

func TestStartAloneEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := start(t, binaries.echo)
	b.await(supervisor.StateReady)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.domain.StartAlone(ctx, order("t", "echo.say", "{}"), nil); err == nil {
		t.Error("a run began although its context had ended")
	}
}

func TestRunsThatNoProcessTakes(t *testing.T) {
	t.Parallel()
	b := start(t, hostile(t, "small"))
	pid := b.await(supervisor.StateReady).PID
	b.room()
	large := order("large", "hostile.any", strings.Repeat("x", 200<<10))
	if err := b.domain.Start(large, nil); !errors.Is(err, supervisor.ErrTooLarge) {
		t.Errorf("a run larger than the manifest's max_receive_bytes: %v; want ErrTooLarge", err)
	}
	for i := range 8 { // all the room that it offers
		if err := b.domain.Start(order("t"+strconv.Itoa(i), "hostile.any", "{}"), func(supervisor.Ended) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.domain.Start(order("t0", "hostile.any", "{}"), nil); err == nil {
		t.Error("one token was taken twice")
	}
	if err := b.domain.Start(order("t8", "hostile.any", "{}"), nil); !errors.Is(err, supervisor.ErrNoRoom) || b.domain.Free() != 0 {
		t.Errorf("a run more than it has room for: %v, free %d; want ErrNoRoom", err, b.domain.Free())
	}
	if err := syscall.Kill(-pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
