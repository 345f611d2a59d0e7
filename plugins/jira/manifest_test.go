package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"bulkhead.dev/sdk/plugintest"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The manifest is all that a host knows of the plugin: each change of it should be meant.
func TestTheManifestIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "manifest")
	cmd.Env = append(os.Environ(), asPlugin+"=1")
	got, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/manifest.json"
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil { //nolint:gosec // G703: the path is a constant
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-golden +derived); run with -update if that is meant:\n%s", file, diff)
	}
}

// schema compiles what the gateway checks the bodies of a route with.
func (r *running) schema(method, path string) *jsonschema.Schema {
	r.t.Helper()
	for _, route := range r.Manifest().GetRoutes() {
		if route.GetMethod() != method || route.GetPath() != path {
			continue
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(route.GetSchema()))
		if err != nil {
			r.t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("schema:///route", doc); err != nil {
			r.t.Fatal(err)
		}
		compiled, err := compiler.Compile("schema:///route")
		if err != nil {
			r.t.Fatal(err)
		}
		return compiled
	}
	r.t.Fatalf("there is no route %s %s", method, path)
	return nil
}

func accepts(t *testing.T, schema *jsonschema.Schema, body []byte) bool {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(doc) == nil
}

// samples are webhooks as the vendor sends them: those of a collection beside the repository, where there is one.
func samples(t *testing.T, pattern string) map[string]json.RawMessage {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "shared", "samples", vendor, pattern))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]json.RawMessage{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = raw
	}
	return all
}

// faultOf is the setting that the plugin complains about.
func faultOf(t *testing.T, settings map[string]any) string {
	t.Helper()
	h, err := plugintest.New(t.Context(), domain(&plugin{}), plugintest.Config{Settings: settings})
	var refused *plugintest.SettingsError
	if !errors.As(err, &refused) {
		if err == nil {
			err = h.Close()
		}
		t.Fatalf("settings %v: error %v, want a SettingsError", settings, err)
	}
	return refused.Faults[0].Field
}
