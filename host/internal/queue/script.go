package queue

import (
	"context"
	"crypto/sha1" //nolint:gosec // Redis names scripts by their SHA-1.
	_ "embed"
	"encoding/hex"
	"strings"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lib.lua
	luaLib string
	//go:embed enqueue.lua
	luaEnqueue string
	//go:embed settle.lua
	luaSettle string
	//go:embed due.lua
	luaDue string
	//go:embed cancel.lua
	luaCancel string
	//go:embed replay.lua
	luaReplay string
	//go:embed discard.lua
	luaDiscard string
	//go:embed beat.lua
	luaBeat string
	//go:embed claim.lua
	luaClaim string
	//go:embed takeover.lua
	luaTakeover string
	//go:embed reap.lua
	luaReap string
	//go:embed subscribe.lua
	luaSubscribe string
)

// script is one Lua script and the name Redis knows it by.
type script struct{ source, sha string }

func newScript(source string) script {
	sum := sha1.Sum([]byte(source)) //nolint:gosec // see the import
	return script{source: source, sha: hex.EncodeToString(sum[:])}
}

// scripts are all of them; those of a domain begin with lib.lua.
type scripts struct {
	enqueue, settle, due, cancel, replay, discard, beat, claim, takeover, reap, subscribe script
}

func newScripts() scripts {
	domain := func(body string) script { return newScript(luaLib + body) }
	return scripts{
		enqueue: domain(luaEnqueue), settle: domain(luaSettle), due: domain(luaDue), cancel: domain(luaCancel),
		replay: domain(luaReplay), discard: domain(luaDiscard), beat: domain(luaBeat), claim: domain(luaClaim),
		takeover: domain(luaTakeover), reap: domain(luaReap), subscribe: newScript(luaSubscribe),
	}
}

// runDomain runs a script on the keys of one domain.
func (q *Queue) runDomain(ctx context.Context, s script, k *keys, args ...any) *redis.Cmd {
	return q.run(ctx, s, k.script, append([]any{group, channelResult, channelControl}, args...))
}

// run runs a script by its name, and by its text where the server does not know it (new, failed over, flushed).
func (q *Queue) run(ctx context.Context, s script, keys []string, args []any) *redis.Cmd {
	cmd := q.rdb.EvalSha(ctx, s.sha, keys, args...)
	if err := cmd.Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
		cmd = q.rdb.Eval(ctx, s.source, keys, args...)
	}
	return cmd
}
