package queue

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// evacuate puts the live jobs of the embedded queue into the spool, in the order of their acceptance, when the
// process stops; the next start's relay puts them back. Attempts begin anew, and dead letters and the memory of ended
// jobs are lost: for more there is Redis. Callers who wait are not there any more, so their jobs are left out.
func (q *Queue) evacuate() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.ctx), spoolTimeout)
	defer cancel()
	found, err := q.rdb.Keys(ctx, anyRecord).Result()
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, key := range found {
		_, id, _ := strings.Cut(key, "}:job:")
		if name, ok := InstanceOf(id); ok {
			names[name] = true
		}
	}
	var rows []SpoolRow
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(names)) {
		jobs, err := q.liveJobs(ctx, keysOf(name))
		errs = append(errs, err)
		for i := range jobs {
			payload, err := pack(&jobs[i])
			if err != nil {
				errs = append(errs, err)
				continue
			}
			rows = append(rows, SpoolRow{Queue: name, JobID: jobs[i].ID, Payload: payload, AcceptedAt: jobs[i].Accepted})
		}
	}
	if len(rows) > 0 {
		errs = append(errs, q.spool.store.Append(ctx, rows))
		q.log.Info("jobs of the embedded queue are kept for the next start", "jobs", len(rows))
	}
	return errors.Join(errs...)
}

// liveJobs reads the jobs of a domain that have not ended and nobody waits for, oldest first.
func (q *Queue) liveJobs(ctx context.Context, k *keys) ([]Job, error) {
	found, err := q.rdb.Keys(ctx, k.record+"*").Result()
	if err != nil {
		return nil, err
	}
	type aged struct {
		Job
		sid string
	}
	var list []aged
	for _, key := range found {
		r, err := q.rdb.HGetAll(ctx, key).Result()
		if err != nil {
			return nil, err
		}
		if code := r["s"]; code != codeReady && code != codeWaiting && code != codeDelayed || r["y"] != "" {
			continue
		}
		j := Job{
			Instance: k.instance, ID: strings.TrimPrefix(key, k.record), Type: r["t"], Lane: laneOf(r["l"]), RequestID: r["q"],
			Window: time.Duration(number(r["w"])) * time.Millisecond, Accepted: millis(r["b"]), At: millis(r["u"]),
			Expires: millis(r["x"]), Envelope: []byte(r["e"]),
		}
		j.Key, j.Limits = readGates(r["g"])
		if r["i"] != "" {
			page, err := q.rdb.XRangeN(ctx, k.lanes[j.Lane], r["i"], r["i"], 1).Result()
			if err != nil {
				return nil, err
			}
			if len(page) == 1 {
				envelope, _ := page[0].Values["e"].(string)
				j.Envelope = []byte(envelope)
			}
		}
		if err := j.check(); err != nil {
			q.log.Error("job can't be kept", "job", j.ID, "error", err)
			continue
		}
		list = append(list, aged{j, r["i"]})
	}
	// Jobs of one millisecond keep the order of their entries; one in a stream comes before one that waits.
	slices.SortStableFunc(list, func(a, b aged) int {
		if c := a.Accepted.Compare(b.Accepted); c != 0 {
			return c
		}
		if (a.sid == "") != (b.sid == "") {
			return strings.Compare(b.sid, a.sid)
		}
		return compareEntries(a.sid, b.sid)
	})
	jobs := make([]Job, len(list))
	for i := range list {
		jobs[i] = list[i].Job
	}
	return q.inGateOrder(ctx, k, jobs)
}

// inGateOrder puts the jobs of one key into the order in which they stand at its gate: their times may be the same.
func (q *Queue) inGateOrder(ctx context.Context, k *keys, jobs []Job) ([]Job, error) {
	places := map[string][]int{}
	for i := range jobs {
		if jobs[i].Key != "" {
			places[jobs[i].Key] = append(places[jobs[i].Key], i)
		}
	}
	out := slices.Clone(jobs)
	for key, at := range places {
		list, err := q.rdb.LRange(ctx, k.gate+orderGate+":"+gateKey(key), 0, -1).Result()
		if err != nil {
			return nil, err
		}
		rank := make(map[string]int, len(list))
		for i, id := range list {
			rank[id] = i + 1
		}
		sorted := slices.Clone(at)
		slices.SortStableFunc(sorted, func(a, b int) int {
			ra, rb := rank[jobs[a].ID], rank[jobs[b].ID]
			if ra == 0 || rb == 0 { // a delayed one holds no place
				return rb - ra
			}
			return ra - rb
		})
		for i, from := range sorted {
			out[at[i]] = jobs[from]
		}
	}
	return out, nil
}

// readGates reads what gatesText wrote. A hashed key stays as it is: gateKey knows it again.
func readGates(text string) (key string, limits []Limit) {
	for line := range strings.SplitSeq(text, "\n") {
		n, name, ok := strings.Cut(line, " ")
		name, value, named := strings.Cut(name, ":")
		switch {
		case !ok || !named:
		case name == orderGate:
			key = value
		default:
			limits = append(limits, Limit{Name: name, Key: value, N: number(n)})
		}
	}
	return key, limits
}

func compareEntries(a, b string) int {
	am, as := splitEntry(a)
	bm, bs := splitEntry(b)
	if am != bm {
		return int(min(max(am-bm, -1), 1))
	}
	return int(min(max(as-bs, -1), 1))
}

func splitEntry(id string) (ms, seq int64) {
	m, s, _ := strings.Cut(id, "-")
	ms, _ = strconv.ParseInt(m, 10, 64) // an id of Redis' own, or none
	seq, _ = strconv.ParseInt(s, 10, 64)
	return ms, seq
}
