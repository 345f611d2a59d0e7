// Package conformance names the reserved jobs by which the conformance suite drives behaviour that no real handler
// shows. The root package carries them out, the suite in plugintest asks for them; both read the names here. A plugin in
// another language implements the same table.
package conformance

// Env opens the reserved jobs when it is set to anything; without it their types are unknown like any other.
const Env = "BULKHEAD_CONFORMANCE"

// Prefix stands before every reserved type.
const Prefix = "conformance."

// Fact is the type of the facts that Emit emits; it needs no declaration.
const Fact = "conformance.fact"

// The reserved types, each with what it does with its Order.
const (
	// Echo answers the payload as it came.
	Echo = "conformance.echo"
	// Panic panics with Text.
	Panic = "conformance.panic"
	// Retry fails with Text: a failure by policy.
	Retry = "conformance.retry"
	// Later fails with Text, to be tried again after Millis without costing an attempt.
	Later = "conformance.later"
	// Vendor fails with Text as a vendor's fault.
	Vendor = "conformance.vendor"
	// Reject fails with Text for good.
	Reject = "conformance.reject"
	// Emit emits Count facts with the keys "0", "1" ... and answers nothing.
	Emit = "conformance.emit"
	// Sleep waits for Millis or the end of its context, whatever comes first, and answers the payload.
	Sleep = "conformance.sleep"
	// Stubborn waits for Millis whatever becomes of its context, and answers the payload.
	Stubborn = "conformance.stubborn"
	// Respond answers with status Count, a header X-Conformance with Text, and Text as text/plain.
	Respond = "conformance.respond"
	// Large answers Count bytes.
	Large = "conformance.large"
	// Envelope answers what the handler was told of the job, as an Envelope.
	Envelope = "conformance.envelope"
	// Exit ends the process at once with status 3.
	Exit = "conformance.exit"
)

// Order is the payload of the reserved jobs. Each type reads the members that it needs.
type Order struct {
	Text   string `json:"text,omitempty"`
	Count  int    `json:"count,omitempty"`
	Millis int    `json:"millis,omitempty"`
}

// Seen is the result of Envelope.
type Seen struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Source     string            `json:"source"`
	Subject    string            `json:"subject"`
	RequestID  string            `json:"request_id"`
	EventID    string            `json:"event_id"`
	Attempt    int               `json:"attempt"`
	Starts     int               `json:"starts"`
	Headers    map[string]string `json:"headers,omitempty"`
	PathParams map[string]string `json:"path_params,omitempty"`
	Query      string            `json:"query"`
	Who        string            `json:"who"`
	Roles      []string          `json:"roles,omitempty"`
	// Deadline says whether the context ends by itself.
	Deadline bool `json:"deadline"`
	// Data is the payload as it came.
	Data string `json:"data"`
}
