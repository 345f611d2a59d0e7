module bulkhead.dev/sandbox

go 1.26

require (
	github.com/alecthomas/kong v1.17.0
	github.com/google/go-cmp v0.7.0
	go.uber.org/goleak v1.3.0
)
