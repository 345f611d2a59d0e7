package sdk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/pluginv1"

	"github.com/google/go-cmp/cmp"
)

type shopSettings struct {
	Token  string            `json:"token" setting:"required,secret" description:"API token of the service account"`
	Region string            `json:"region" default:"eu" enum:"eu,us"`
	Every  time.Duration     `json:"every" default:"30s" description:"between two looks"`
	Limit  int32             `json:"limit" default:"5"`
	Share  float64           `json:"share"`
	Size   uint8             `json:"size"`
	Dry    bool              `json:"dry" default:"true"`
	Addr   netip.Addr        `json:"addr"`
	Tags   []string          `json:"tags" default:"[\"a\",\"b\"]"`
	Stages map[string]string `json:"stages"`
	Hooks  []hookSetting     `json:"hooks"`
	Note   *string           `json:"note"`
	Mail   mailSettings      `json:"mail"`
	Skip   string            `json:"-"`
}

type hookSetting struct {
	URL string `json:"url"`
}

type mailSettings struct {
	Host string `json:"host" setting:"required"`
	Port int    `json:"port" default:"25"`
}

func TestSettingsSchemaIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	for name, typ := range map[string]reflect.Type{"settings": reflect.TypeFor[shopSettings](), "nosettings": nil} {
		got, _, err := settingsSchema(typ)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, got)
	}
}

func TestSettingsAreDecodedWithDefaults(t *testing.T) {
	t.Parallel()
	note := "x"
	full := shopSettings{
		Token: "t", Region: "us", Every: time.Minute, Limit: -7, Share: 0.5, Size: 255, Addr: netip.MustParseAddr("::1"),
		Tags: []string{}, Stages: map[string]string{"1": "won"}, Hooks: []hookSetting{{URL: "u"}}, Note: &note,
		Mail: mailSettings{Host: "h", Port: 1},
	}
	for name, tc := range map[string]struct {
		raw  string
		want shopSettings
	}{
		"defaults": {
			`{"token":"t","mail":{"host":"h"}}`,
			shopSettings{
				Token: "t", Region: "eu", Every: 30 * time.Second, Limit: 5, Dry: true, Tags: []string{"a", "b"},
				Mail: mailSettings{Host: "h", Port: 25},
			},
		},
		"null is missing": {
			`{"token":"t","region":null,"limit":null,"note":null,"tags":null,"mail":{"host":"h","port":null}}`,
			shopSettings{
				Token: "t", Region: "eu", Every: 30 * time.Second, Limit: 5, Dry: true, Tags: []string{"a", "b"},
				Mail: mailSettings{Host: "h", Port: 25},
			},
		},
		"all": {`{"token":"t","region":"us","every":"1m","limit":-7,"share":0.5,"size":255,"dry":false,"addr":"::1","tags":[],
			"stages":{"1":"won"},"hooks":[{"url":"u"}],"note":"x","mail":{"host":"h","port":1}}`, full},
		"text, as from an environment variable": {`{"token":"t","region":"us","every":"1m","limit":"-7","share":"0.5",
			"size":"255","dry":"false","addr":"::1","tags":[],"stages":{"1":"won"},"hooks":[{"url":"u"}],"note":"x",
			"mail":{"host":"h","port":"1"}}`, full},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got shopSettings
			if err := decodeSettings([]byte(tc.raw), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestFaultsOfSettingsNameTheKey(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		raw  string
		want map[string]string // field -> part of the message
	}{
		"nothing":             {``, map[string]string{"token": "is required", "mail.host": "is required"}},
		"not an object":       {`[1]`, map[string]string{"": "not an object"}},
		"null":                {`null`, map[string]string{"": "not an object"}},
		"broken":              {`{`, map[string]string{"": "not an object"}},
		"empty secret":        {`{"token":"","mail":{"host":"h"}}`, map[string]string{"token": "must not be empty"}},
		"unknown":             {`{"token":"t","mail":{"host":"h"},"tokn":1}`, map[string]string{"tokn": "is unknown; the settings here are: addr, dry"}},
		"unknown nested":      {`{"token":"t","mail":{"host":"h","hst":1}}`, map[string]string{"mail.hst": "is unknown; the settings here are: host, port"}},
		"case counts":         {`{"Token":"t","mail":{"host":"h"}}`, map[string]string{"token": "is required", "Token": "is unknown"}},
		"enum":                {`{"token":"t","mail":{"host":"h"},"region":"asia"}`, map[string]string{"region": "must be one of: eu, us"}},
		"text":                {`{"token":12,"mail":{"host":"h"}}`, map[string]string{"token": "must be text; put it in quotes"}},
		"duration":            {`{"token":"t","mail":{"host":"h"},"every":30}`, map[string]string{"every": `must be a duration such as "30s"`}},
		"whole":               {`{"token":"t","mail":{"host":"h"},"limit":1.5}`, map[string]string{"limit": "must be a whole number"}},
		"large":               {`{"token":"t","mail":{"host":"h"},"limit":2147483648}`, map[string]string{"limit": "is too large"}},
		"larger":              {`{"token":"t","mail":{"host":"h"},"size":18446744073709551616}`, map[string]string{"size": "is too large"}},
		"negative":            {`{"token":"t","mail":{"host":"h"},"size":-1}`, map[string]string{"size": "must not be negative"}},
		"number":              {`{"token":"t","mail":{"host":"h"},"share":"NaN"}`, map[string]string{"share": "must be a number"}},
		"boolean":             {`{"token":"t","mail":{"host":"h"},"dry":"yes"}`, map[string]string{"dry": "must be true or false"}},
		"address":             {`{"token":"t","mail":{"host":"h"},"addr":"hush"}`, map[string]string{"addr": "is not written as a netip.Addr is"}},
		"list":                {`{"token":"t","mail":{"host":"h"},"tags":"a"}`, map[string]string{"tags": "must be a list"}},
		"in a list":           {`{"token":"t","mail":{"host":"h"},"hooks":[{"url":5}]}`, map[string]string{"hooks": "at /url: must be text"}},
		"unknown in a list":   {`{"token":"t","mail":{"host":"h"},"hooks":[{"uri":"x"}]}`, map[string]string{"hooks": `unknown field "uri"`}},
		"nested is no object": {`{"token":"t","mail":"h"}`, map[string]string{"mail": "is not an object"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var into shopSettings
			got := map[string]string{}
			for _, e := range fieldErrors(decodeSettings([]byte(tc.raw), &into)) {
				got[e.GetField()] = e.GetMessage()
			}
			if len(got) != len(tc.want) {
				t.Errorf("faults %v, want %v", got, tc.want)
			}
			for field, part := range tc.want {
				if !strings.Contains(got[field], part) {
					t.Errorf("%q: %q does not say %q", field, got[field], part)
				}
			}
		})
	}
}

func TestWrongTagsAreFaultsOfTheManifest(t *testing.T) {
	t.Parallel()
	type loop struct {
		Sub []loop `json:"sub"`
	}
	for want, typ := range map[string]reflect.Type{
		`field a: "requird" in the tag "setting" is neither required nor secret`: reflect.TypeFor[struct {
			A string `json:"a" setting:"requird"`
		}](),
		`field a: the default: must be a whole number`: reflect.TypeFor[struct {
			A int `json:"a" default:"x"`
		}](),
		`field a: the default: must be one of: x, y`: reflect.TypeFor[struct {
			A string `json:"a" enum:"x,y" default:"z"`
		}](),
		`field m.a: a secret has no default`: reflect.TypeFor[struct {
			M struct {
				A string `json:"a" setting:"secret" default:"z"`
			} `json:"m"`
		}](),
		`field a: a required setting has no default`: reflect.TypeFor[struct {
			A string `json:"a" setting:"required" default:"z"`
		}](),
		`field a: the tag "enum" is for text`: reflect.TypeFor[struct {
			A int `json:"a" enum:"1,2"`
		}](),
		`field a: the tags of struct { B string "json:\"b\" setting:\"secret\"" }.b have no effect inside a list or map`: reflect.TypeFor[struct {
			A []struct {
				B string `json:"b" setting:"secret"`
			} `json:"a"`
		}](),
		`loop holds itself`:      reflect.TypeFor[loop](),
		`string is not a struct`: reflect.TypeFor[string](),
	} {
		if _, _, err := settingsSchema(typ); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestConfigureReportsWhatTheAuthorFinds(t *testing.T) {
	t.Parallel()
	type s struct {
		URL string `json:"url"`
	}
	for name, tc := range map[string]struct {
		err  error
		want []*pluginv1.FieldError
	}{
		"none": {nil, nil},
		"one":  {FieldError("url", "must begin with %s", "https"), []*pluginv1.FieldError{{Field: "url", Message: "must begin with https"}}},
		"several": {
			errors.Join(FieldError("a", "x"), errors.Join(FieldError("b", "y"), errors.New("whole"))),
			[]*pluginv1.FieldError{{Field: "a", Message: "x"}, {Field: "b", Message: "y"}, {Message: "whole"}},
		},
		"wrapped": {
			fmt.Errorf("looked up: %w", FieldError("url", "no host")),
			[]*pluginv1.FieldError{{Field: "url", Message: "looked up: url: no host"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &Domain{Configure: Configure(func(context.Context, s, *Host) error { return tc.err })}
			got := d.configure(t.Context(), &pluginv1.ConfigureRequest{Settings: []byte(`{}`)}, &Host{})
			if diff := cmp.Diff(tc.want, got, cmp.Comparer(func(a, b *pluginv1.FieldError) bool {
				return a.GetField() == b.GetField() && a.GetMessage() == b.GetMessage()
			})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAPanicInConfigureIsAFault(t *testing.T) {
	t.Parallel()
	d := &Domain{Configure: Configure(func(context.Context, struct{}, *Host) error { panic("odd") })}
	got := d.configure(t.Context(), &pluginv1.ConfigureRequest{}, &Host{})
	if len(got) != 1 || got[0].GetField() != "" || !strings.Contains(got[0].GetMessage(), "panicked while it was configured: odd") {
		t.Errorf("faults %v", got)
	}
}

func TestADomainWithoutSettingsRefusesAny(t *testing.T) {
	t.Parallel()
	d := &Domain{}
	if got := d.configure(t.Context(), &pluginv1.ConfigureRequest{}, &Host{}); got != nil {
		t.Errorf("faults %v", got)
	}
	got := d.configure(t.Context(), &pluginv1.ConfigureRequest{Settings: []byte(`{"a":1}`)}, &Host{})
	if len(got) != 1 || got[0].GetField() != "a" || !strings.Contains(got[0].GetMessage(), "is unknown; the settings here are: none") {
		t.Errorf("faults %v", got)
	}
}

// FuzzDecodeSettings looks for a panic, for a fault without words, and for settings that break their own tags.
func FuzzDecodeSettings(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"token":"t","mail":{"host":"h"}}`, `{"token":{"a":[1]},"every":"1h","limit":"1e9","tags":[null]}`,
		`{"hooks":[{"url":"x","y":1}],"stages":{"a":1},"size":-0,"share":1e400}`, `{"addr":"1.2.3.4","note":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var into shopSettings
		err := decodeSettings(raw, &into)
		if err != nil {
			for _, e := range fieldErrors(err) {
				if e.GetMessage() == "" {
					t.Errorf("a fault of %q without words", e.GetField())
				}
			}
			return
		}
		if !json.Valid(raw) || into.Token == "" || into.Mail.Host == "" {
			t.Errorf("accepted %q as %+v", raw, into)
		}
		if into.Region != "eu" && into.Region != "us" {
			t.Errorf("region %q is none of the enum", into.Region)
		}
	})
}
