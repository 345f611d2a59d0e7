package launch_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bulkhead.dev/sdk/launch"
	"bulkhead.dev/sdk/pluginv1"
)

// TestEchoExample builds the example and asks it something.
func TestEchoExample(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "echo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	build.Dir = filepath.Join("..", "..", "examples", "echo")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	p, err := launch.Start(t.Context(), launch.Config{Path: path, Dir: shortDir(t), Instance: "echo"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.End(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	m, err := p.Describe(t.Context(), "1.0.0")
	if err != nil || m.GetName() != "echo" || len(m.GetRoutes()) != 2 {
		t.Fatalf("manifest: %v %v", m, err)
	}
	if faults := configure(t, p, `{}`); len(faults) != 1 || faults[0].GetField() != "secret" {
		t.Errorf("without the secret: %v", faults)
	}
	if faults := configure(t, p, `{"secret":"s"}`); len(faults) != 0 {
		t.Fatal(faults)
	}
	outcome := open(t, p).do(t, &pluginv1.Job{
		Id: "echo-1", Type: "echo.say", Data: []byte(`{"text":"hello"}`), Datacontenttype: "application/json",
		Lane: pluginv1.Lane_LANE_NOW, Reply: true,
	})
	if got := string(outcome.GetDone().GetData()); got != `{"text":"hello"}` {
		t.Errorf("answer: %s", got)
	}
	text, err := exec.CommandContext(t.Context(), path, "version").Output()
	if err != nil || string(text) != "echo 1.0.0\n" {
		t.Errorf("version: %q %v", text, err)
	}
	byHand := exec.CommandContext(t.Context(), path)
	byHand.Env = os.Environ()
	if err := byHand.Run(); byHand.ProcessState.ExitCode() != 2 {
		t.Errorf("by hand: %v", err)
	}
}
