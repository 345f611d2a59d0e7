package main

// stage is one benchmark function and what of it is shown.
type stage struct {
	name string
	// pkg holds func Benchmark<bench>; times is how often it does what it measures.
	pkg, bench string
	times      int
	// product says that it needs the product's binaries.
	product bool
	rows    []row
}

// row sets a figure beside its floor. A figure is a benchmark's full name without "Benchmark" and one of its units.
type row struct {
	what string
	unit string
	ours string
	// floor is a benchmark of this or another stage, with the same unit unless floorUnit says otherwise.
	floor, floorUnit string
	// each repeats the row for every other benchmark beside ours, whose last element is "*".
	each bool
}

const (
	wall     = "ns/op"
	cpu      = "cpu-ns/op"
	redisCPU = "redis-cpu-ns/op"
	memory   = "resident-bytes"
)

// stages lists them in the order of a job's way.
func stages() []stage {
	const (
		host    = "bulkhead.dev/host/internal/"
		launch  = "bulkhead.dev/sdk/launch"
		product = "bulkhead.dev/test/bench/product"
	)
	return []stage{
		{name: "accept", pkg: host + "bench", bench: "Accept", times: 15_000, rows: []row{
			{what: "CPU of a handler with HMAC and json.Valid", unit: cpu, ours: "Accept/checked", floor: "Accept/bare"},
			{what: "CPU of the gateway, no schema, no queue", unit: cpu, ours: "Accept/gateway-any", floor: "Accept/checked"},
			{what: "CPU of the gateway, no queue", unit: cpu, ours: "Accept/gateway", floor: "Accept/checked"},
			{what: "CPU of the gateway, no queue", unit: cpu, ours: "Accept/gateway", floor: "Accept/bare"},
			{what: "CPU of the gateway and the queue", unit: cpu, ours: "Accept/gateway-queue", floor: "Accept/checked"},
		}},
		{name: "schema", pkg: host + "schema", bench: "Event", times: 20_000, rows: []row{
			{what: "read strictly", unit: wall, ours: "Event/Decode", floor: "Event/json.Valid"},
			{what: "read and compare with the schema", unit: wall, ours: "Event/Decode+Validate", floor: "Event/json.Valid"},
		}},
		{name: "enqueue", pkg: host + "queue", bench: "Enqueue", times: 20_000, rows: []row{
			{what: "CPU of the client", unit: cpu, ours: "Enqueue/enqueue", floor: "Enqueue/xadd"},
			{what: "CPU of Redis", unit: redisCPU, ours: "Enqueue/enqueue", floor: "Enqueue/xadd"},
			{what: "CPU of Redis", unit: redisCPU, ours: "Enqueue/enqueue", floor: "Enqueue/xadd-pipelined"},
			{what: "time a job, 64 callers", unit: wall, ours: "Enqueue/enqueue", floor: "Enqueue/xadd"},
		}},
		{name: "hop", pkg: launch, bench: "Work", times: 50_000, rows: []row{
			{what: "CPU of the host", unit: cpu, ours: "Work/work", floor: "Work/bare-stream"},
			{what: "time a job", unit: wall, ours: "Work/work", floor: "Work/bare-stream"},
		}},
		{name: "drain", pkg: host + "bench", bench: "Drain", times: 5_000, rows: []row{
			{what: "time a job, in this process", unit: wall, ours: "Drain/dispatch", floor: "Drain/queue"},
			{what: "time a job, by a plugin", unit: wall, ours: "Drain/plugin", floor: "Drain/dispatch"},
			{what: "CPU of the host, by a plugin", unit: cpu, ours: "Drain/plugin", floor: "Drain/dispatch"},
			{what: "CPU of Redis, enqueue to settle", unit: redisCPU, ours: "Drain/dispatch", floor: "Enqueue/xadd"},
		}},
		{name: "webhook", pkg: product, bench: "Webhook", times: 1_000, product: true, rows: []row{
			{what: "time a job, door to done, 64 callers", unit: wall, ours: "Webhook/host", floor: "Webhook/bare"},
			{what: "CPU of the host", unit: "host-cpu-ns/op", ours: "Webhook/host", floor: "Webhook/bare"},
			{what: "CPU of the plugin", unit: "plugin-cpu-ns/op", ours: "Webhook/host"},
			{what: "CPU of Redis", unit: redisCPU, ours: "Webhook/host"},
		}},
		{name: "sync", pkg: product, bench: "Sync", times: 2_000, product: true, rows: []row{
			{what: "1 caller, p50", unit: "p50-ns", ours: "Sync/host/callers=1", floor: "Sync/bare/callers=1"},
			{what: "1 caller, p99", unit: "p99-ns", ours: "Sync/host/callers=1", floor: "Sync/bare/callers=1"},
			{what: "16 callers, p50", unit: "p50-ns", ours: "Sync/host/callers=16", floor: "Sync/bare/callers=16"},
			{what: "16 callers, p99", unit: "p99-ns", ours: "Sync/host/callers=16", floor: "Sync/bare/callers=16"},
			{what: "64 callers, p50", unit: "p50-ns", ours: "Sync/host/callers=64", floor: "Sync/bare/callers=64"},
			{what: "64 callers, p99", unit: "p99-ns", ours: "Sync/host/callers=64", floor: "Sync/bare/callers=64"},
		}},
		{name: "start", pkg: launch, bench: "Start", times: 20, rows: []row{
			{what: "start to first answer, and end", unit: wall, ours: "Start/launch-sdk", floor: "Start/bare"},
			{what: "start to first answer, and end", unit: wall, ours: "Start/launch-sdk", floor: "Start/bare-mtls"},
			{what: "the same, plugin without the SDK", unit: wall, ours: "Start/launch-stock", floor: "Start/bare-mtls"},
		}},
		{name: "crash", pkg: product, bench: "Crash", times: 5, product: true, rows: []row{
			{what: "kill -9 to the next answer, p50", unit: "p50-ns", ours: "Crash", floor: "Start/bare", floorUnit: wall},
		}},
		{name: "memory", pkg: product, bench: "Resident", times: 1, product: true, rows: []row{
			{what: "resident, ", unit: memory, ours: "Resident/*", floor: "Resident/bare", each: true},
		}},
	}
}
