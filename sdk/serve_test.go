package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"bulkhead.dev/sdk/internal/worker"
	"bulkhead.dev/sdk/pluginv1"

	"github.com/hashicorp/go-hclog"
)

type servedSettings struct {
	Secret string `json:"secret" setting:"required,secret"`
}

func served() *Domain {
	return &Domain{
		Name: "shop", Version: "2.0.1",
		Configure: Configure(func(context.Context, servedSettings, *Host) error { return nil }),
		Routes: []Route{{
			Path: "orders", Verify: HubSignature("secret"),
			Handle: Handle(func(context.Context, *Job, struct {
				ID int `json:"id"`
			}) error {
				return nil
			}),
		}},
	}
}

func TestByHand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		domain    *Domain
		args      []string
		code      int
		out, errs string
	}{
		"version":   {served(), []string{"version"}, 0, "shop 2.0.1\n", ""},
		"manifest":  {served(), []string{"manifest"}, 0, `"job_type": "shop.orders"`, ""},
		"nothing":   {served(), nil, exitUsage, "", "shop 2.0.1 is a plugin of Bulkhead: a host starts it"},
		"something": {served(), []string{"--help"}, exitUsage, "", "prints what the host is told"},
		"faults":    {&Domain{Name: "Shop"}, []string{"version"}, exitFault, "", `"Shop" is not`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			if code := command(c.domain, c.args, &out, &errs); code != c.code {
				t.Errorf("status %d, want %d", code, c.code)
			}
			if !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) || (c.out == "") != (out.Len() == 0) {
				t.Errorf("output %q, errors %q", &out, &errs)
			}
		})
	}
}

// TestManifestForPeople shows that schemas stand in it as JSON and not as base64.
func TestManifestForPeople(t *testing.T) {
	t.Parallel()
	m, err := served().manifest()
	if err != nil {
		t.Fatal(err)
	}
	text, err := manifestJSON(m)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Settings struct {
			Properties map[string]any `json:"properties"`
		} `json:"settings_schema"`
		Routes []struct {
			Schema struct {
				Properties map[string]any `json:"properties"`
			} `json:"schema"`
		} `json:"routes"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Settings.Properties["secret"] == nil || len(got.Routes) != 1 || got.Routes[0].Schema.Properties["id"] == nil {
		t.Errorf("%s", text)
	}
}

func TestServiceConfigures(t *testing.T) {
	t.Parallel()
	d := served()
	s := &service{domain: d, log: hclog.NewNullLogger(), worker: worker.New(worker.Config{Runner: runner{d}})}
	configure := func(settings, socket string) []*pluginv1.FieldError {
		t.Helper()
		answer, err := s.Configure(t.Context(), &pluginv1.ConfigureRequest{Instance: "shop", Settings: []byte(settings), HostSocket: socket})
		if err != nil {
			t.Fatal(err)
		}
		return answer.GetErrors()
	}
	if faults := configure(`{}`, "/run/a"); len(faults) != 1 || faults[0].GetField() != "secret" {
		t.Errorf("faults: %v", faults)
	}
	first := s.host
	if faults := configure(`{"secret":"s"}`, "/run/a"); len(faults) != 0 {
		t.Errorf("faults: %v", faults)
	}
	if s.host != first {
		t.Error("jobs in flight lost their connection")
	}
	configure(`{"secret":"s"}`, "/run/b")
	if s.host == first {
		t.Error("the state is still asked for at the old socket")
	}
	if err := s.host.Close(); err != nil {
		t.Error(err)
	}
	strange := &pluginv1.DrainRequest{}
	strange.ProtoReflect().SetUnknown([]byte{0x48, 1})
	if _, err := s.Drain(t.Context(), strange); status.Code(err) != codes.InvalidArgument {
		t.Errorf("an unknown field: %v", err)
	}
	if _, err := s.Drain(t.Context(), &pluginv1.DrainRequest{}); err != nil {
		t.Error(err)
	}
}
