package door_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/door"
	"bulkhead.dev/sandbox/internal/ledger"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type house struct {
	t      *testing.T
	url    string
	set    creds.Settings
	client *http.Client
}

func open(t *testing.T) house {
	t.Helper()
	set := creds.Random().At("http://sandbox")
	srv := httptest.NewServer(door.New(set, "http://sandbox", time.Now))
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return house{t, srv.URL, set, client}
}

// call makes one call with the token of Jira and the request id r1.
func (h house) call(ctx context.Context, method, path, body string) (int, http.Header, string, error) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.SetBasicAuth(h.set.Jira.Email, h.set.Jira.APIToken)
	r.Header.Set("X-Api-Token", h.set.Pipedrive.APIToken)
	r.Header.Set("X-Request-Id", "r1")
	r.Header.Set("Content-Type", "application/json")
	res, err := h.client.Do(r)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(raw), err
}

func (h house) must(method, path, body string, status int) string {
	h.t.Helper()
	code, _, answer, err := h.call(h.t.Context(), method, path, body)
	if err != nil || code != status {
		h.t.Fatalf("%s %s: %d %s %v, want %d", method, path, code, answer, err, status)
	}
	return answer
}

func (h house) effects(query string) []ledger.Entry {
	h.t.Helper()
	var all []ledger.Entry
	if err := json.NewDecoder(bytes.NewBufferString(h.must("GET", "/effects"+query, "", 200))).Decode(&all); err != nil {
		h.t.Fatal(err)
	}
	return all
}

const property = "/jira/rest/api/3/issue/ONB-1/properties/p"

func TestCallsAreWrittenDown(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.must("GET", "/jira/rest/api/3/myself", "", 200)
	h.must("PUT", property, `1`, 201)
	h.must("GET", "/pipedrive/v1/users/me?api_token=secret", "", 200)
	all := h.effects("?request_id=r1")
	if len(all) != 3 || strings.Contains(all[2].Path, "secret") {
		t.Fatalf("%+v", all)
	}
	e := h.effects("?vendor=jira&changed=true")[0]
	if e.Summary != "set property p of ONB-1" || e.Status != 201 || e.Method != "PUT" || e.Path != property || e.URL != "http://sandbox/#jira-ONB-1" || e.Seq != 2 {
		t.Errorf("%+v", e)
	}
	if late := h.effects("/wait?since=3&timeout_ms=1"); len(late) != 0 {
		t.Errorf("after the last: %+v", late)
	}
	for _, bad := range []string{"count=0", "count=x", "timeout_ms=-1"} {
		h.must("GET", "/effects/wait?"+bad, "", 400)
	}
}

func TestWaitSeesWhatComesLater(t *testing.T) {
	t.Parallel()
	h := open(t)
	got := make(chan string, 1)
	go func() {
		_, _, answer, err := h.call(t.Context(), "GET", "/effects/wait?request_id=r1&count=2&timeout_ms=30000", "")
		if err != nil {
			answer = err.Error()
		}
		got <- answer
	}()
	h.must("PUT", property, `1`, 201)
	h.must("PUT", property, `2`, 200)
	if answer := <-got; strings.Count(answer, "set property") != 2 {
		t.Error(answer)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.must("POST", "/faults", `{"vendor":"jira","path":"/rest/api/3/issue","method":"PUT","status":429,"retry_after":"7"}`, 201)
	h.must("GET", "/jira/rest/api/3/myself", "", 200) // another path
	code, header, body, err := h.call(t.Context(), "PUT", property, `1`)
	if err != nil || code != 429 || header.Get("Retry-After") != "7" || !strings.Contains(body, "rate-limited") {
		t.Errorf("%d %v %s %v", code, header, body, err)
	}
	h.must("GET", property, "", 404) // nothing was done

	h.must("POST", "/faults", `{"vendor":"jira","mode":"reset"}`, 201)
	if _, _, _, err := h.call(t.Context(), "PUT", property, `1`); err == nil {
		t.Error("reset: an answer came")
	}
	h.must("GET", property, "", 404)

	h.must("POST", "/faults", `{"vendor":"jira","mode":"lost_reply"}`, 201)
	if _, _, _, err := h.call(t.Context(), "PUT", property, `1`); err == nil {
		t.Error("lost reply: an answer came")
	}
	h.must("GET", property, "", 200) // and yet it was done

	h.must("POST", "/faults", `{"vendor":"jira","latency_ms":1,"times":2}`, 201)
	h.must("GET", property, "", 200)
	if left := h.must("GET", "/faults", "", 200); !strings.Contains(left, `"times":1`) {
		t.Errorf("left: %s", left)
	}
	h.must("DELETE", "/faults", "", 204)
	var met []string
	for _, e := range h.effects("?vendor=jira") {
		if e.Fault != "" {
			met = append(met, e.Fault)
		}
	}
	if got := strings.Join(met, "; "); got != "status 429; reset; lost reply; 1 ms late" {
		t.Error(got)
	}
	for _, bad := range []string{`{"vendor":"none","status":500}`, `{"vendor":"jira","colour":1}`, `{`} {
		h.must("POST", "/faults", bad, 400)
	}
}

func TestAHangEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.must("POST", "/faults", `{"vendor":"jira","mode":"hang"}`, 201)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, _, _, err := h.call(ctx, "PUT", property, `1`)
		done <- err
	}()
	if e := h.effects("/wait?vendor=jira&timeout_ms=30000"); len(e) != 1 || e[0].Fault != "hang" || e[0].Status != 0 {
		t.Errorf("%+v", e)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("an answer came")
	}
}

func TestReadableAddressesLeadToThePage(t *testing.T) {
	t.Parallel()
	h := open(t)
	for path, want := range map[string]string{
		"/jira/browse/ONB-3": "/#jira-ONB-3", "/pipedrive/deal/4107": "/#pipedrive-deal-4107", "/peopleforce/employees/41207": "/#peopleforce-41207",
		"/slack/archives/C0SANDGEN/p1795537406373295": "/#slack-1795537406373295", "/slack/archives/C0SANDGEN": "/#slack",
	} {
		code, header, _, err := h.call(t.Context(), "GET", path, "")
		if err != nil || code != http.StatusSeeOther || header.Get("Location") != want {
			t.Errorf("%s: %d %s %v", path, code, header.Get("Location"), err)
		}
	}
	if len(h.effects("")) != 0 {
		t.Error("looking is no call")
	}
}

func TestThePageDrawsWhatIsThere(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.must("POST", "/jira/rest/api/3/issue", `{"fields":{"project":{"key":"ONB"},"issuetype":{"name":"Task"},"summary":"<b>Ada</b> & co"}}`, 201)
	h.must("POST", "/faults", `{"vendor":"slack","status":500}`, 201)
	page := h.must("GET", "/", "", 200)
	for _, want := range []string{`id="jira-ONB-7"`, "&lt;b&gt;Ada&lt;/b&gt; &amp; co", "Warehouse scanners, phase 1", "11800.50 EUR", "Ada Okafor", "Network maintenance",
		"Trouble ahead: slack", `lang="en"`, "out until", `href="http://sandbox/#jira-ONB-7"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, "ZgotmplZ") || strings.Contains(page, "<b>Ada</b>") {
		t.Error("the page is not escaped as it should be")
	}
	if part := h.must("GET", "/board", "", 200); strings.Contains(part, "<html") || !strings.Contains(part, "data-last=") {
		t.Error("the part is not a part")
	}
	for _, asset := range []string{"/board.css", "/board.js", "/healthz"} {
		h.must("GET", asset, "", 200)
	}
	_, header, _, err := h.call(t.Context(), "GET", "/", "")
	if err != nil || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%v %v", header, err)
	}
	h.must("GET", "/nothing", "", 404)
}

func TestForeignNamesAreNotAnswered(t *testing.T) {
	t.Parallel()
	d := door.New(creds.Random().At(""), "http://sandbox", time.Now)
	for host, want := range map[string]int{"localhost:80": 200, "127.0.0.1": 200, "[::1]:80": 200, "evil.example": 421, "10.0.0.1:80": 421} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/healthz", nil)
		r.Host = host
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", host, w.Code, want)
		}
	}
}
