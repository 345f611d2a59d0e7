package sdk

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // one of the contract's hashes
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"os"
	"strings"
	"testing"
	"time"

	"bulkhead.dev/sdk/pluginv1"
)

// TestPresetsMakeThePublishedSignatures carries out each recipe on the vector that the vendor publishes or that a saved
// delivery bears.
func TestPresetsMakeThePublishedSignatures(t *testing.T) {
	t.Parallel()
	approved, err := os.ReadFile("testdata/verify/leave_request_approve.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		verify                     Verification
		secret, timestamp, body    string
		header, value, stampHeader string
		tolerance                  time.Duration
	}{
		"hub": { // developer.atlassian.com/cloud/jira/platform/webhooks
			verify: HubSignature("s"), secret: "It's a Secret to Everybody", body: "Hello World!", header: "X-Hub-Signature",
			value: "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
		},
		"slack": { // docs.slack.dev/authentication/verifying-requests-from-slack
			verify: SlackSignature("s"), secret: "8f742231b10e8888abcd99yyyzzz85a5", timestamp: "1531420618",
			body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&" +
				"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&" +
				"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&" +
				"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
			header: "X-Slack-Signature", value: "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			stampHeader: "X-Slack-Request-Timestamp", tolerance: 5 * time.Minute,
		},
		"peopleforce": { // a delivery as the vendor's page describes it, signed with a secret of ours
			verify: PeopleForce("s"), secret: "bulkhead-sample-secret", body: string(approved), header: "X-Peopleforce-Signature",
			value: "sha256=dee864075b0f8a77043ee88f3abab5fbcef1e0e00599e8fd55114bec62d881b4",
		},
		"github's example of the same form": { // docs.github.com, validating webhook deliveries
			verify: HMAC{Key: "s", Header: "X-Hub-Signature-256", Prefix: "sha256="},
			secret: "It's a Secret to Everybody", body: "Hello, World!", header: "X-Hub-Signature-256",
			value: "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		},
		"RFC 2202, case 2": {
			verify: HMAC{Key: "s", Hash: SHA1, Header: "X"}, secret: "Jefe", body: "what do ya want for nothing?", header: "X",
			value: "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
		},
		"RFC 4231, case 2 with SHA-512, key in hex, signature in base64": {
			verify: HMAC{Key: "s", Hash: SHA512, KeyEncoding: Hex, Encoding: Base64, Header: "X"}, secret: "4a656665",
			body: "what do ya want for nothing?", header: "X",
			value: "Fkt6e/z4GeLjlfvnO1bgo4e9ZCIugx/WECcM1+olBVSXWL91wFqZSm0DT2X48Ob9yuqxo01Ka0tjbgcKOLznNw==",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := &Domain{Name: "shop", Version: "1.0.0", Routes: []Route{{Path: "a", Verify: tc.verify, Handle: Handle(take[loose])}},
				Configure: Configure(func(context.Context, struct {
					S string `json:"s" setting:"secret"`
				}, *Host) error {
					return nil
				})}
			m, err := d.manifest()
			if err != nil {
				t.Fatal(err)
			}
			h := m.GetRoutes()[0].GetVerification().GetHmac()
			if h.GetHeader() != tc.header || h.GetTimestampHeader() != tc.stampHeader {
				t.Errorf("headers %q and %q, want %q and %q", h.GetHeader(), h.GetTimestampHeader(), tc.header, tc.stampHeader)
			}
			if got := h.GetTolerance().AsDuration(); got != tc.tolerance {
				t.Errorf("tolerance %s, want %s", got, tc.tolerance)
			}
			if got := signed(t, h, tc.secret, tc.timestamp, tc.body); got != tc.value {
				t.Errorf("signature\n%s, want\n%s", got, tc.value)
			}
		})
	}
}

func TestPlainPresets(t *testing.T) {
	t.Parallel()
	if b := PipedriveBasic("u", "p").recipe().GetBasic(); b.GetUser() != "u" || b.GetPassword() != "p" {
		t.Errorf("basic %v", b)
	}
	if k := TelegramToken("t").recipe().GetToken(); k.GetHeader() != "X-Telegram-Bot-Api-Secret-Token" || k.GetKey() != "t" || k.GetPrefix() != "" {
		t.Errorf("token %v", k)
	}
	if k := BearerToken("t").recipe().GetToken(); k.GetHeader() != "Authorization" || k.GetPrefix() != "Bearer " {
		t.Errorf("bearer token %v", k)
	}
}

// signed carries out the recipe.
func signed(t *testing.T, h *pluginv1.Hmac, secret, timestamp, body string) string {
	t.Helper()
	key := []byte(secret)
	if h.GetKeyEncoding() == pluginv1.Encoding_ENCODING_HEX {
		var err error
		if key, err = hex.DecodeString(secret); err != nil {
			t.Fatal(err)
		}
	}
	hashes := map[pluginv1.Hash]func() hash.Hash{
		pluginv1.Hash_HASH_SHA1: sha1.New, pluginv1.Hash_HASH_SHA256: sha256.New, pluginv1.Hash_HASH_SHA512: sha512.New,
	}
	mac := hmac.New(hashes[h.GetHash()], key)
	mac.Write([]byte(strings.NewReplacer("{body}", body, "{timestamp}", timestamp).Replace(h.GetPayload())))
	if h.GetEncoding() == pluginv1.Encoding_ENCODING_BASE64 {
		return h.GetPrefix() + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return h.GetPrefix() + hex.EncodeToString(mac.Sum(nil))
}
