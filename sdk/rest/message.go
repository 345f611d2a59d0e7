package rest

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxMessage bounds Error.Message, in bytes.
const maxMessage = 300

// message finds the vendor's own words in an error's body, for people: bounded, on one line, without secrets.
func (c *Client) message(body []byte) string {
	text := ""
	if c.config.Message != nil {
		text = c.config.Message(body)
	}
	if text == "" {
		text = words(body)
	}
	return oneLine(c.hide.text(text))
}

// words reads the forms that JSON APIs commonly use, else a text that is not HTML.
func words(body []byte) string {
	var value any
	if json.Unmarshal(body, &value) != nil {
		text := strings.TrimSpace(string(body))
		if strings.HasPrefix(text, "<") { // a page of some proxy says nothing in its first lines
			return ""
		}
		return text
	}
	return strings.Join(collect(value, nil, 0), "; ")
}

// collect takes texts from a decoded JSON value: texts themselves, lists of them, and objects by the usual names. Values
// of an "errors" object are taken with their field's name.
func collect(value any, texts []string, depth int) []string {
	const maxTexts, maxDepth = 5, 4
	if depth > maxDepth || len(texts) >= maxTexts {
		return texts
	}
	switch v := value.(type) {
	case string:
		if v != "" && !slices.Contains(texts, v) {
			texts = append(texts, v)
		}
	case []any:
		for _, each := range v {
			texts = collect(each, texts, depth+1)
		}
	case map[string]any:
		for _, name := range []string{"error", "message", "detail", "title", "description", "error_description",
			"error_info", "errorMessages", "errors"} {
			each, ok := v[name]
			if !ok {
				continue
			}
			if fields, ok := each.(map[string]any); ok && name == "errors" {
				texts = collectFields(fields, texts)
				continue
			}
			texts = collect(each, texts, depth+1)
		}
	}
	return texts
}

func collectFields(fields map[string]any, texts []string) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, text := range collect(fields[name], nil, 1) {
			texts = append(texts, name+": "+text)
		}
	}
	return texts
}

// oneLine makes a text fit for one line of a log, at most maxMessage bytes long.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= maxMessage {
		return text
	}
	cut := maxMessage
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}

// clip bounds the body that an error keeps.
func clip(body []byte) []byte {
	return slices.Clone(body[:min(len(body), maxErrorBody)])
}
