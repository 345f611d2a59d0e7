package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// NodeInfo is what the other nodes see of this one.
type NodeInfo struct {
	Version string `json:"version"`
	// Store is the id of the store this node uses.
	Store string `json:"store"`
}

// registration is this node's own entry.
type registration struct {
	mu   sync.Mutex
	info *NodeInfo
}

// nodeLeases is how many leases a node is listed after its last word.
const nodeLeases = 3

// Register makes this node known until Close. ErrForeignStore when a living node has another store: two nodes that
// start at once see each other, because each writes first and looks then.
func (q *Queue) Register(ctx context.Context, info NodeInfo) error {
	if err := q.announce(ctx, info); err != nil {
		return err
	}
	nodes, err := q.Nodes(ctx)
	if err != nil {
		return err
	}
	for id, other := range nodes {
		if id != q.cfg.Node && other.Store != info.Store {
			q.forget(ctx, q.cfg.Node)
			return fmt.Errorf("%w: node %s", ErrForeignStore, id)
		}
	}
	q.node.mu.Lock()
	first := q.node.info == nil
	q.node.info = &info
	q.node.mu.Unlock()
	if first {
		q.background(q.stayKnown)
	}
	return nil
}

// Nodes returns the living nodes.
func (q *Queue) Nodes(ctx context.Context) (map[string]NodeInfo, error) {
	ids, err := q.rdb.ZRange(ctx, keyNodes, 0, -1).Result()
	if err != nil {
		q.health.failed(err)
		return nil, fmt.Errorf("%w: nodes: %w", ErrUnavailable, err)
	}
	nodes := make(map[string]NodeInfo, len(ids))
	for _, id := range ids {
		text, err := q.rdb.Get(ctx, keyNode(id)).Bytes()
		if errors.Is(err, redis.Nil) {
			continue // its time is over
		}
		var info NodeInfo
		if err == nil {
			err = json.Unmarshal(text, &info)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: node %s: %w", ErrUnavailable, id, err)
		}
		nodes[id] = info
	}
	return nodes, nil
}

func (q *Queue) announce(ctx context.Context, info NodeInfo) error {
	text, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("%w: node: %w", ErrInvalid, err)
	}
	now := time.Now().UnixMilli()
	span := nodeLeases * q.cfg.Lease
	err = q.rdb.Set(ctx, keyNode(q.cfg.Node), text, span).Err()
	if err == nil {
		err = q.rdb.ZAdd(ctx, keyNodes, redis.Z{Score: float64(now), Member: q.cfg.Node}).Err()
	}
	if err == nil {
		// Long after its key has ended no node is looked for any more.
		old := fmt.Sprint(now - 100*span.Milliseconds())
		err = q.rdb.ZRemRangeByScore(ctx, keyNodes, "-inf", old).Err()
	}
	if err != nil {
		q.health.failed(err)
		return fmt.Errorf("%w: register: %w", ErrUnavailable, err)
	}
	return nil
}

func (q *Queue) stayKnown(ctx context.Context) {
	for pause(ctx, q.cfg.Lease) {
		q.node.mu.Lock()
		info := *q.node.info
		q.node.mu.Unlock()
		if err := q.announce(ctx, info); err != nil && ctx.Err() == nil {
			q.log.Debug("node is not announced", "error", err)
		}
	}
}

func (q *Queue) forget(ctx context.Context, id string) {
	_ = q.rdb.Del(ctx, keyNode(id)).Err()
	_ = q.rdb.ZRem(ctx, keyNodes, id).Err()
}

// deregister takes this node off the list at Close.
func (q *Queue) deregister() {
	q.node.mu.Lock()
	known := q.node.info != nil
	q.node.mu.Unlock()
	if known && !q.health.down.Load() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.ctx), q.cfg.EnqueueTimeout)
		defer cancel()
		q.forget(ctx, q.cfg.Node)
	}
}
