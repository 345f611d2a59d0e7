package queue

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Every Redis key and channel of the product is made here, and field names of the records in record.go. All keys of a
// domain share one Cluster slot: "acme_queue" and "{acme_queue}:x" hash alike.

const (
	group             = "workers"
	keySubscriptions  = "subscriptions"
	keyNodes          = "nodes"
	channelResult     = "result:"
	channelControl    = "ctl:"
	orderGate         = "order"
	fieldVersion      = "#version" // in the subscriptions; no instance begins with #
	fieldDepthLimit   = "depth"    // in ctl
	maxPlainGateLen   = 64
	hashedGateHexLen  = 32
	hashedGateMarking = "#"
)

// keys are those of one domain. The order of script is that of lib.lua.
type keys struct {
	lanes                                                                 [3]string
	record, gate, delayed, held, pump, outbox, dead, beat, alias, control string
	script                                                                []string
	instance                                                              string
}

func keysOf(instance string) *keys {
	name := instance + "_queue"
	tag := "{" + name + "}:"
	k := &keys{
		record: tag + "job:", gate: tag + "gate:", delayed: tag + "delayed", held: tag + "held", pump: tag + "pump",
		instance: instance, outbox: tag + "outbox", dead: tag + "dead", beat: tag + "beat", alias: tag + "alias:", control: tag + "ctl",
	}
	k.lanes = [3]string{LaneNormal: name, LaneNow: tag + "now", LaneBulk: tag + "bulk"}
	k.script = []string{
		k.lanes[LaneNormal], k.lanes[LaneNow], k.lanes[LaneBulk], k.record, k.gate, k.delayed, k.held, k.pump,
		k.outbox, k.dead, k.beat, k.alias, k.control,
	}
	return k
}

// anyRecord matches the records of all domains.
const anyRecord = "{*_queue}:job:*"

func keyNode(node string) string { return "node:" + node }

// gatesText writes the gates that a job enters, in the one global order: its key, then its limits by name.
// Each line is "<n> <name>:<key>"; lib.lua reads it.
func gatesText(key string, limits []Limit) string {
	if key == "" && len(limits) == 0 {
		return ""
	}
	var b strings.Builder
	if key != "" {
		b.WriteString("1 " + orderGate + ":" + gateKey(key))
	}
	sorted := slices.SortedStableFunc(slices.Values(limits), func(a, b Limit) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key))
	})
	for _, l := range sorted {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strconv.Itoa(l.N) + " " + l.Name + ":" + gateKey(l.Key))
	}
	return b.String()
}

// gateKey keeps short plain keys readable and hashes the others. What it has made it leaves as it is.
func gateKey(key string) string {
	if digits, ok := strings.CutPrefix(key, hashedGateMarking); ok && len(digits) == hashedGateHexLen {
		if _, err := hex.DecodeString(digits); err == nil {
			return key
		}
	}
	if len(key) <= maxPlainGateLen && !strings.HasPrefix(key, hashedGateMarking) && !strings.ContainsFunc(key, unprintable) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hashedGateMarking + hex.EncodeToString(sum[:])[:hashedGateHexLen]
}
