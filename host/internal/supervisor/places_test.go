package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"bulkhead.dev/sdk/launch"
)

func TestDiscover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string, mode fs.FileMode) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, []byte("x"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	file("widget", 0o755)
	file("gadget", 0o700)
	file("README.md", 0o644)
	file("notes", 0o644)
	file("open", 0o757)
	file("shared", 0o775)
	file(".hidden", 0o755)
	for _, sub := range []string{"folder", "eu"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink("widget", filepath.Join(dir, "alias")), os.Symlink("nowhere", filepath.Join(dir, "broken")),
		os.Chown(filepath.Join(dir, "shared"), os.Geteuid(), groupOfOthers())); err != nil {
		t.Fatal(err)
	}
	found, left := Discover(dir, map[string]string{"widget-eu": "widget", "gadget": "widget", "lost": "lost", "eu": "../eu"})
	want := []Binary{
		{Instance: "alias", Path: filepath.Join(dir, "alias")},
		{Instance: "gadget", Path: filepath.Join(dir, "widget"), Chosen: true},
		{Instance: "widget", Path: filepath.Join(dir, "widget")},
		{Instance: "widget-eu", Path: filepath.Join(dir, "widget"), Chosen: true},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	text := errors.Join(left...).Error()
	for _, reason := range []string{
		"README.md: a plugin's file name must match", "notes: is not executable", "open: is writable by everybody", "shared: is writable by its group",
		"broken: no such file", "lost: no such file", "eu: is no regular file",
	} {
		if !strings.Contains(text, reason) {
			t.Errorf("no word on %q in:\n%s", reason, text)
		}
	}
	if len(left) != 7 {
		t.Errorf("%d left out:\n%s", len(left), text)
	}
}

// groupOfOthers is a group of this process that is not its user's private one, or, for root, anybody's.
func groupOfOthers() int {
	groups, err := os.Getgroups()
	if err == nil {
		for _, gid := range groups {
			if gid != os.Geteuid() {
				return gid
			}
		}
	}
	if gid := os.Getegid(); os.Geteuid() != 0 {
		return gid
	}
	return 4321
}

func TestPluginDirectoryThatOthersMayWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode   fs.FileMode
		reason string // empty: it will do
	}{
		"private":         {0o700, ""},
		"readable":        {0o755, ""},
		"everybody's":     {0o777, "writable by everybody"},
		"shared as /tmp":  {0o777 | fs.ModeSticky, "shared with others"},
		"sticky but ours": {0o755 | fs.ModeSticky, ""},
	} {
		dir := filepath.Join(t.TempDir(), "plugins")
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, "widget"), nil, 0o700), os.Chmod(dir, c.mode)); err != nil {
			t.Fatal(err)
		}
		found, left := Discover(dir, nil)
		if c.reason == "" {
			if len(found) != 1 || len(left) != 0 {
				t.Errorf("%s: %v, left out %v", name, found, left)
			}
			continue
		}
		if len(found) != 0 || len(left) != 1 || !strings.Contains(left[0].Error(), c.reason) {
			t.Errorf("%s: %v, left out %v; want %q", name, found, left, c.reason)
		}
		if exposed := Exposed(filepath.Join(dir, "sub")); (exposed == dir) != (c.mode&fs.ModeSticky == 0) {
			t.Errorf("%s: above it, %q is exposed", name, exposed)
		}
	}
	if found, left := Discover(filepath.Join(t.TempDir(), "nowhere"), nil); len(found) != 0 || len(left) != 0 {
		t.Errorf("a directory that is not there: %v, %v; want nothing", found, left)
	}
}

func TestRunDir(t *testing.T) {
	t.Parallel()
	parent, err := os.MkdirTemp("/tmp", "bh")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(parent) })
	long := filepath.Join(parent, strings.Repeat("l", 60))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}

	living, err := OpenRunDir("", "relative", long, filepath.Join(parent, "nowhere"), parent)
	if err != nil {
		t.Fatal(err)
	}
	generation := filepath.Join(living.Path(), "g4294967295")
	if err := os.Mkdir(generation, 0o700); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(living.Path())
	if err != nil || info.Mode().Perm() != 0o700 || filepath.Dir(living.Path()) != parent || len(generation) > launch.MaxDir() {
		t.Errorf("%s: %v, %v; want a private directory below %s that leaves room for sockets", living.Path(), info, err, parent)
	}

	// A killed host's lock is free; one that was killed earlier still has not even made it.
	killed := filepath.Join(parent, runDirPrefix+"1")
	early := filepath.Join(parent, runDirPrefix+"2")
	foreign := filepath.Join(parent, "other-3")
	for _, dir := range []string{killed + "/g1/sockets", early, foreign} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{killed, foreign} {
		if err := os.WriteFile(filepath.Join(dir, runDirLock), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other, err := OpenRunDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]bool{killed: false, early: false, foreign: true, living.Path(): true, other.Path(): true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %v; want %v", dir, err == nil, want)
		}
	}
	for _, r := range []*RunDir{living, other} {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(r.Path()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", r.Path(), err)
		}
	}

	_, err = OpenRunDir("", "relative", long, filepath.Join(parent, "nowhere"))
	if err == nil {
		t.Fatal("a directory that can't be")
	}
	for _, reason := range []string{"XDG_RUNTIME_DIR", "relative: the path is not absolute", "leave room for a socket", "nowhere"} {
		if !strings.Contains(err.Error(), reason) {
			t.Errorf("no word on %q in: %v", reason, err)
		}
	}
}

func TestOlderVersion(t *testing.T) {
	t.Parallel()
	// In ascending order; the pre-releases are those of semver.org, 11.
	order := []string{
		"0.1.0", "0.2.0-rc.1", "0.2.0", "0.10.0", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
		"1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "10.0.0",
	}
	for i, a := range order {
		for j, b := range order {
			if got := olderVersion(a, "v"+b+"+build.7"); got != (i < j) {
				t.Errorf("%s is older than %s: %v", a, b, got)
			}
		}
	}
}

func TestWaitGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	policy := Restart{}.withDefaults()
	for n, most := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 9: 25600 * time.Millisecond,
		10: 30 * time.Second, 1000: 30 * time.Second,
	} {
		for range 100 {
			if d := policy.wait(n); d < most/2 || d > most {
				t.Errorf("wait %d is %v; want %v to %v", n, d, most/2, most)
			}
		}
	}
}

func TestOnlyStartsThatFailLeadToQuarantine(t *testing.T) {
	t.Parallel()
	policy := Restart{}.withDefaults()
	var r record
	for range 50 {
		r.note(policy, time.Millisecond)
	}
	if r.ends != 50 || r.unready != 0 {
		t.Errorf("after 50 deaths of a plugin that got ready: %+v", r)
	}
	r.note(policy, 0)
	r.note(policy, 0)
	if r.ends != 52 || r.unready != 2 {
		t.Errorf("after two failed starts more: %+v", r)
	}
	r.note(policy, time.Minute)
	if r.ends != 1 || r.unready != 0 {
		t.Errorf("after the end of a healthy one: %+v", r)
	}
}

func TestPluginThatDiesNowAndThenIsBackAtOnce(t *testing.T) {
	t.Parallel()
	policy := Restart{}.withDefaults()
	var r record
	for range 20 { // a second is ten times the first wait
		if wait := r.note(policy, time.Second); wait > 100*time.Millisecond {
			t.Errorf("wait %v", wait)
		}
	}
	longest := time.Duration(0)
	for range 1000 {
		longest = max(longest, r.note(policy, 10*time.Millisecond))
	}
	if longest < 15*time.Second {
		t.Errorf("one that dies at once waits %v at most; want about 30 s", longest)
	}
}

func TestOwner(t *testing.T) {
	t.Parallel()
	info, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if owner, ok := ownerOf(info); !ok || owner != syscall.Geteuid() {
		t.Errorf("owner %d, %v", owner, ok)
	}
}
