module bulkhead.dev/plugins/slack

go 1.26

require bulkhead.dev/sdk v0.0.0

replace bulkhead.dev/sdk => ../../sdk
