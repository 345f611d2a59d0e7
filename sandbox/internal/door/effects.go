package door

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"bulkhead.dev/sandbox/internal/fault"
	"bulkhead.dev/sandbox/internal/ledger"
	"bulkhead.dev/sandbox/internal/reply"
)

const (
	waitStandard = 10 * time.Second
	waitMost     = 30 * time.Second
)

func refuse(w http.ResponseWriter, err string) {
	reply.JSON(w, http.StatusBadRequest, map[string]any{"error": err})
}

func filter(r *http.Request) ledger.Filter {
	q := r.URL.Query()
	since, _ := strconv.ParseInt(q.Get("since"), 10, 64) // none: from the first
	return ledger.Filter{RequestID: q.Get("request_id"), Vendor: q.Get("vendor"), Since: since, Changed: q.Get("changed") == "true"}
}

// effects answers what was done, oldest first.
func (d *Door) effects(w http.ResponseWriter, r *http.Request) {
	reply.JSON(w, http.StatusOK, d.ledger.List(filter(r)))
}

// wait answers as effects does, as soon as count entries match or the time is over.
func (d *Door) wait(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	count, most := 1, waitStandard
	if v := q.Get("count"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > ledgerSize {
			refuse(w, "count: 1 to "+strconv.Itoa(ledgerSize))
			return
		}
		count = n
	}
	if v := q.Get("timeout_ms"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			refuse(w, "timeout_ms: milliseconds, 30000 at most")
			return
		}
		most = min(time.Duration(n)*time.Millisecond, waitMost)
	}
	ctx, cancel := context.WithTimeout(r.Context(), most)
	defer cancel()
	reply.JSON(w, http.StatusOK, d.ledger.Wait(ctx, filter(r), count))
}

func (d *Door) listFaults(w http.ResponseWriter, _ *http.Request) {
	reply.JSON(w, http.StatusOK, d.faults.List())
}

func (d *Door) addFault(w http.ResponseWriter, r *http.Request) {
	var rule fault.Rule
	if err := reply.DecodeStrict(r, &rule); err != nil {
		refuse(w, err.Error())
		return
	}
	if err := d.faults.Add(rule); err != nil {
		refuse(w, err.Error())
		return
	}
	reply.JSON(w, http.StatusCreated, d.faults.List())
}

func (d *Door) clearFaults(w http.ResponseWriter, _ *http.Request) {
	d.faults.Clear()
	w.WriteHeader(http.StatusNoContent)
}
