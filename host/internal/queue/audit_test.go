package queue_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"bulkhead.dev/host/internal/queue"
)

// audit reads the whole structure of a domain and returns what is wrong with it.
func audit(t *testing.T, c redis.UniversalClient) (faults []string) {
	t.Helper()
	ctx, k := context.Background(), queue.KeysOf(acme)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }

	records := map[string]map[string]string{}
	keys, err := c.Keys(ctx, k.Record+"*").Result()
	must(err)
	for _, key := range keys {
		r, err := c.HGetAll(ctx, key).Result()
		must(err)
		id := strings.TrimPrefix(key, k.Record)
		records[id] = r
		ttl, err := c.PTTL(ctx, key).Result()
		must(err)
		if keeps := in(r["s"], "rwdx"); keeps != (ttl < 0) {
			bad("%s in state %s has ttl %s", id, r["s"], ttl)
		}
		if hasEnvelope := r["e"] != ""; hasEnvelope != in(r["s"], "wdx") {
			bad("%s in state %s: envelope in the record: %v", id, r["s"], hasEnvelope)
		}
	}

	// Places: each live record in exactly one, and nothing else anywhere.
	places := map[string][]string{}
	for lane, stream := range k.Lanes {
		entries, err := c.XRange(ctx, stream, "-", "+").Result()
		must(err)
		known := map[string]bool{}
		for _, e := range entries {
			id, _ := e.Values["j"].(string)
			known[e.ID] = true
			places[id] = append(places[id], "r")
			if r := records[id]; r == nil || r["i"] != e.ID || r["l"] != strconv.Itoa(lane) {
				bad("entry %s of lane %d: record %v", e.ID, lane, r)
			}
		}
		pending, err := c.XPendingExt(ctx, &redis.XPendingExtArgs{Stream: stream, Group: queue.Group, Start: "-", End: "+", Count: 1000}).Result()
		must(err)
		for _, p := range pending {
			if !known[p.ID] {
				bad("pending without entry: %s", p.ID)
			}
		}
	}
	for key, code := range map[string]string{k.Held: "w", k.Delayed: "d", k.Dead: "x"} {
		list, err := c.ZRange(ctx, key, 0, -1).Result()
		must(err)
		for _, id := range list {
			places[id] = append(places[id], code)
		}
	}
	for id, r := range records {
		want := []string{r["s"]}
		if !in(r["s"], "rwdx") {
			want = nil
		}
		if !slices.Equal(places[id], want) {
			bad("%s in state %s stands in %v", id, r["s"], places[id])
		}
		delete(places, id)
	}
	for id, p := range places {
		bad("%s has no record and stands in %v", id, p)
	}
	return append(faults, auditGates(t, c, records)...)
}

// in reports whether a record's state is one of the codes.
func in(state, codes string) bool { return strings.Contains(codes, state) }

// auditGates compares the gates with what the records say.
func auditGates(t *testing.T, c redis.UniversalClient, records map[string]map[string]string) (faults []string) {
	t.Helper()
	ctx, k := context.Background(), queue.KeysOf(acme)
	bad := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	type gate struct {
		n              int
		holds, waiters []string
	}
	gates := map[string]*gate{}
	for id, r := range records {
		if r["g"] == "" || !in(r["s"], "rwd") {
			continue
		}
		lines := strings.Split(r["g"], "\n")
		held, _ := strconv.Atoi(r["h"])
		if r["s"] == "r" {
			held = len(lines)
		}
		for i, line := range lines {
			n, name, _ := strings.Cut(line, " ")
			g := gates[name]
			if g == nil {
				g = &gate{}
				gates[name] = g
			}
			g.n, _ = strconv.Atoi(n)
			switch {
			case i < held:
				g.holds = append(g.holds, id)
			case i == held && r["s"] == "w":
				g.waiters = append(g.waiters, id)
			}
		}
	}
	keys, err := c.Keys(ctx, k.Gate+"*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if name := strings.TrimPrefix(key, k.Gate); gates[name] == nil {
			bad("gate %s: no record names it", name)
		}
	}
	noted, err := c.SMembers(ctx, k.Pump).Result()
	if err != nil {
		t.Fatal(err)
	}
	for name, g := range gates {
		list, err := c.LRange(ctx, k.Gate+name, 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		there := slices.Clone(list)
		slices.Sort(there)
		want := slices.Concat(g.holds, g.waiters)
		slices.Sort(want)
		if !slices.Equal(there, want) {
			bad("gate %s: %v, the records say %v", name, there, want)
		}
		for _, id := range g.holds {
			if at := slices.Index(list, id); at >= g.n {
				bad("gate %s of %d: %s holds it at place %d", name, g.n, id, at+1)
			}
		}
		if len(g.holds) < g.n && len(g.waiters) > 0 && !slices.Contains(noted, fmt.Sprintf("%d %s", g.n, name)) {
			bad("gate %s of %d: %d hold it and %v wait", name, g.n, len(g.holds), g.waiters)
		}
	}
	return faults
}
