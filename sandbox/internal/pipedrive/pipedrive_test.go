package pipedrive_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sandbox/internal/calltest"
	"bulkhead.dev/sandbox/internal/creds"
	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/pipedrive"
)

func open(t *testing.T) calltest.Desk {
	t.Helper()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	return calltest.Desk{T: t, Handler: pipedrive.New(creds.Pipedrive{APIToken: "token"}, func() time.Time { now = now.Add(time.Second); return now }),
		Dress: func(r *http.Request) { r.Header.Set("X-Api-Token", "token") }}
}

func TestADealAndItsPeople(t *testing.T) {
	t.Parallel()
	d := open(t)
	deal := d.Call("GET", fmt.Sprintf("/api/v2/deals/%d", pipedrive.WonDeal), "", 200)
	calltest.Same(t, deal, "success", "true")
	calltest.Same(t, deal, "data.status", "won")
	calltest.Same(t, d.Call("GET", "/api/v2/persons/"+calltest.At(deal, "data.person_id"), "", 200), "data.emails.0.value", "piotr@balticfreight.example")
	calltest.Same(t, d.Call("GET", "/api/v2/organizations/"+calltest.At(deal, "data.org_id"), "", 200), "data.name", "Baltic Freight")
	calltest.Same(t, d.Call("GET", "/v1/users/"+calltest.At(deal, "data.owner_id"), "", 200), "data.name", "Ines Duarte")
	calltest.Same(t, d.Call("GET", "/api/v1/users/me", "", 200), "data.company_id", "7301144")
	calltest.Len(t, d.Call("GET", "/v1/users", "", 200), "data", 3)
	calltest.Same(t, d.Call("GET", "/v1/users/find?term=oskar&search_by_email=1", "", 200), "data.0.id", "15010033")
	calltest.Same(t, d.Call("GET", "/api/v2/persons/search?term=HANNA@harbourfoods.example&exact_match=true", "", 200), "data.items.0.item.id", "2211")
	calltest.Len(t, d.Call("GET", "/api/v2/stages", "", 200), "data", 3)
}

func TestPages(t *testing.T) {
	t.Parallel()
	for _, sort := range []string{"", "&sort_by=update_time", "&sort_by=update_time&sort_direction=desc", "&sort_direction=desc"} {
		d, seen, cursor := open(t), map[string]bool{}, ""
		for range 10 {
			page := d.Call("GET", "/api/v2/deals?limit=3"+sort+cursor, "", 200)
			for i := range 3 {
				if id := calltest.At(page, fmt.Sprintf("data.%d.id", i)); id != "<nil>" && seen[id] {
					t.Errorf("%s: %s comes twice", sort, id)
				} else if id != "<nil>" {
					seen[id] = true
				}
			}
			next := calltest.At(page, "additional_data.next_cursor")
			if next == "<nil>" {
				break
			}
			cursor = "&cursor=" + url.QueryEscape(next)
		}
		if len(seen) != 7 {
			t.Errorf("%s: %d deals, want 7", sort, len(seen))
		}
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	d := open(t)
	for query, want := range map[string]int{
		"status=won": 1, "status=won,lost": 2, "owner_id=15010033": 3, "ids=4107,4108,1": 2, "person_id=2210&status=open": 1,
		"updated_since=2026-11-24T00:00:00Z": 2, "updated_until=2026-11-24T00:00:00Z": 5,
	} {
		calltest.Len(t, d.Call("GET", "/api/v2/deals?"+query, "", 200), "data", want)
	}
	for _, query := range []string{"limit=501", "cursor=x", "sort_by=title", "owner_id=me", "updated_since=yesterday"} {
		calltest.Same(t, d.Call("GET", "/api/v2/deals?"+query, "", 400), "success", "false")
	}
}

func TestWrites(t *testing.T) {
	t.Parallel()
	d := open(t)
	made := d.Call("POST", "/api/v2/deals", `{"title":"New","value":10,"person_id":2210,"custom_fields":{"k":"v"}}`, 200)
	id := calltest.At(made, "data.id")
	calltest.Same(t, made, "data.status", "open")
	calltest.Same(t, made, "data.owner_id", "15010001")
	won := d.Call("PATCH", "/api/v2/deals/"+id, `{"status":"won","custom_fields":{"l":1}}`, 200)
	if calltest.At(won, "data.won_time") == "<nil>" || calltest.At(won, "data.custom_fields.k") != "v" {
		t.Errorf("won: %v", won["data"])
	}
	for _, body := range []string{`{"value":"10"}`, `{"person_id":"2210"}`, `{"status":"maybe"}`, `{"is_archived":1}`, `{"custom_fields":[]}`, `{`} {
		d.Call("PATCH", "/api/v2/deals/"+id, body, 400)
	}
	calltest.Same(t, d.Call("GET", "/api/v2/deals/"+id, "", 200), "data.value", "10")
	d.Call("POST", "/api/v2/deals", `{"value":1}`, 400)
	d.Call("DELETE", "/api/v2/deals/"+id, "", 200)
	calltest.Len(t, d.Call("GET", "/api/v2/deals?status=deleted", "", 200), "data", 1)
	calltest.Len(t, d.Call("GET", "/api/v2/deals", "", 200), "data", 7)
	d.Call("GET", "/api/v2/deals/1", "", 404)
	d.Call("GET", "/api/v3/deals", "", 404)

	d.Call("POST", "/v1/notes", `{"content":"won!"}`, 400)
	calltest.Same(t, d.Call("POST", "/v1/notes", `{"content":"won!","deal_id":4107}`, 200), "data.deal_id", "4107")
	d.Call("POST", "/v1/notes", `{"content":"again","deal_id":4107}`, 200)
	page := d.Call("GET", "/v1/notes?deal_id=4107&limit=1", "", 200)
	calltest.Same(t, page, "additional_data.pagination.next_start", "1")
	calltest.Same(t, d.Call("GET", "/v1/notes?deal_id=4107&start=1", "", 200), "data.0.content", "again")
	calltest.Same(t, d.Call("POST", "/api/v2/activities", `{"subject":"Call","deal_id":4107,"done":false}`, 200), "data.subject", "Call")
}

func TestWhoMayCall(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.Dress = nil
	calltest.Same(t, d.Call("GET", "/v1/users/me", "", 401), "errorCode", "401")
	calltest.Same(t, d.Call("GET", "/v1/users/me?api_token=token", "", 200), "data.id", "15010001")
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/users/me", nil)
	r.Header.Set("Authorization", "Bearer token")
	d.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK || w.Header().Get("X-Ratelimit-Limit") != "80" || w.Header().Get("X-Ratelimit-Remaining") == "" {
		t.Errorf("bearer: %d %v", w.Code, w.Header())
	}
	w = httptest.NewRecorder()
	pipedrive.New(creds.Pipedrive{}, time.Now).Refuse(w, fault.Rule{Status: http.StatusTooManyRequests})
	if w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), "request over limit") {
		t.Errorf("429: %s", w.Body)
	}
}
