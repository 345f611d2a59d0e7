package demo_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"bulkhead.dev/host/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// events are what a sandbox can send; bodies, headers and paths are as awkward for a shell as they may be.
const events = `[
  {"name":"made","title":"A widget is made","instance":"widget","method":"POST","path":"/webhooks/widget/events","headers":{"X-Delivery":"{{ulid}}"},
   "content_type":"application/json","body":{"id":"{{ulid}}","text":"it's \"quoted\" $HOME"},"expect":{"status":202,"text":"accepted"},"effects":"A part is ordered."},
  {"name":"broken","title":"A widget breaks","instance":"widget","method":"POST","path":"/webhooks/widget/it's broken?a=$HOME&b=` + "`id`" + `",
   "content_type":"text/plain","body":"raw 'text'","expect":{"status":202,"text":"accepted"}},
  {"name":"sold","title":"A widget is sold","instance":"widget","method":"POST","path":"/webhooks/widget/events","body":{},"expect":{"status":202,"text":"accepted"}},
  {"name":"list","title":"List widgets","instance":"widget","method":"GET","path":"/interactive/widget/list","body":{},"expect":{"status":200,"text":"the widgets"},"effects":"Nothing changes."},
  {"name":"refused","title":"A call that is not signed","instance":"widget","method":"POST","path":"/webhooks/widget/events","body":{},"expect":{"status":401,"text":"refused"}}
]`

// sandbox writes a program that behaves like a sandbox, but for what serve does.
func sandbox(t *testing.T, describe, serve string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sandbox")
	script := "#!/bin/sh\ncase $1 in\ndescribe) cat <<'END'\n" + describe + "\nEND\n;;\nserve) " + serve + ";;\nesac\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

const serves = `echo '{"url":"http://127.0.0.1:1","settings":{"widget":{"secret":"s"}}}'; cat >/dev/null`

func start(t *testing.T) *demo.Sandbox {
	t.Helper()
	s, err := demo.Start(t.Context(), sandbox(t, events, serves), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSandboxIsStartedAndEnded(t *testing.T) {
	t.Parallel()
	s := start(t)
	if s.URL != "http://127.0.0.1:1" || string(s.Settings["widget"]) != `{"secret":"s"}` || len(s.Events) != 5 {
		t.Errorf("sandbox %+v", s)
	}
}

func TestSandboxThatIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, reason string }{
		"not there":                 {filepath.Join(t.TempDir(), "sandbox"), "no such file"},
		"describes nothing":         {sandbox(t, "", serves), "describe"},
		"describes something else":  {sandbox(t, `{"a":1}`, serves), "describe"},
		"an event of no clean name": {sandbox(t, `[{"name":"../x"}]`, serves), `"../x"`},
		"does not serve":            {sandbox(t, "[]", "exit 3"), "serve"},
		"says something else":       {sandbox(t, "[]", "echo hello; cat >/dev/null"), "first line"},
	} {
		if _, err := demo.Start(t.Context(), c.path, hclog.NewNullLogger()); err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v; want %q", name, err, c.reason)
		}
	}
}

func TestRequestIsFreshEachTime(t *testing.T) {
	t.Parallel()
	s := start(t)
	first, err := s.Events[0].Request()
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Events[0].Request()
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ ID string }
	if err := json.Unmarshal(first.Body, &body); err != nil {
		t.Fatal(err)
	}
	if id := first.Header.Get("X-Delivery"); len(id) != 26 || id != body.ID || id == second.Header.Get("X-Delivery") {
		t.Errorf("ids %q and %q, then %q; want one a request", id, body.ID, second.Header.Get("X-Delivery"))
	}
	raw, err := s.Events[1].Request()
	if err != nil || string(raw.Body) != "raw 'text'" || raw.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("raw body %q, %v, %v", raw.Body, raw.Header, err)
	}
}

// printed is the banner of a host in a directory with a name that a shell must not read as it likes.
func printed(t *testing.T, s *demo.Sandbox) string {
	t.Helper()
	var out bytes.Buffer
	banner := demo.Banner{
		URL: "http://127.0.0.1:8080", Dir: filepath.Join(t.TempDir(), "it's $HOME"), Host: "./bin/host",
		Sign: func(r demo.Request) error {
			r.Header.Set("X-Signature", "it's; `signed`")
			return nil
		},
	}
	if err := banner.Print(&out, s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestBannerSaysWhatToDo(t *testing.T) {
	t.Parallel()
	text := printed(t, start(t))
	for _, want := range []string{
		"DEMO MODE", "http://127.0.0.1:8080/readyz", "http://127.0.0.1:1", "1. A widget is made   (./bin/host send made)",
		"answer  202 accepted", "then    A part is ordered.", "3. List widgets", "answer  200 the widgets",
		"./bin/host send sold", "# A widget is sold", "./bin/host send refused",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\ncurl "); n != 3 {
		t.Errorf("%d commands; want three:\n%s", n, text)
	}
}

// pasted is what a command, given to a shell, would have curl do.
type pasted struct {
	args []string
	body string
}

// paste runs the commands of a text as a shell would, with a curl that only says what it was asked for.
func paste(t *testing.T, text string) []pasted {
	t.Helper()
	dir := t.TempDir()
	curl := "#!/bin/sh\nfor a in \"$@\"; do printf '%s\\0' \"$a\"; done\nprintf '\\n\\0'\n"
	if err := os.WriteFile(filepath.Join(dir, "curl"), []byte(curl), 0o700); err != nil {
		t.Fatal(err)
	}
	var commands strings.Builder
	more := false
	for line := range strings.Lines(text) {
		if more || strings.HasPrefix(line, "curl ") {
			commands.WriteString(line)
			more = strings.HasSuffix(line, "\\\n")
		}
	}
	cmd := exec.Command("/bin/sh", "-eu", "-c", commands.String())
	cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "HOME=/wrong"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, commands.String())
	}
	var all []pasted
	for part := range strings.SplitSeq(strings.TrimSuffix(string(out), "\n\x00"), "\n\x00") {
		p := pasted{args: strings.Split(strings.TrimSuffix(part, "\x00"), "\x00")}
		body, err := os.ReadFile(strings.TrimPrefix(p.args[len(p.args)-1], "@"))
		if err != nil {
			t.Fatal(err)
		}
		p.body = string(body)
		all = append(all, p)
	}
	return all
}

func TestBannerCanBePasted(t *testing.T) {
	t.Parallel()
	all := paste(t, printed(t, start(t)))
	if len(all) != 3 {
		t.Fatalf("%d commands: %q", len(all), all)
	}
	want := []string{
		"-sS", "-X", "POST", "http://127.0.0.1:8080/webhooks/widget/it's broken?a=$HOME&b=`id`",
		"-H", "Content-Type: text/plain", "-H", "X-Signature: it's; `signed`", "--data-binary",
	}
	if diff := cmp.Diff(want, all[1].args[:len(want)]); diff != "" || all[1].body != "raw 'text'" {
		t.Errorf("body %q (-want +got)\n%s", all[1].body, diff)
	}
	var body struct{ ID, Text string }
	if err := json.Unmarshal([]byte(all[0].body), &body); err != nil || body.Text != `it's "quoted" $HOME` {
		t.Errorf("body %q: %v", all[0].body, err)
	}
	if !strings.Contains(strings.Join(all[0].args, "\n"), "X-Delivery: "+body.ID) {
		t.Errorf("the id %s of the body is not that of the header: %q", body.ID, all[0].args)
	}
	if all[2].args[2] != http.MethodGet {
		t.Errorf("third command %q", all[2].args)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"", "plain/path-1.json", "two words", "it's", "$HOME", "a\nb", "*", "~", "#", "ünïcode"} {
		out, err := exec.Command("/bin/sh", "-c", "printf %s "+demo.Quote(word)).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q became %q, %v", word, out, err)
		}
	}
}
