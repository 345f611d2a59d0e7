package jira

import (
	"encoding/json"
	"strings"
)

// node is a piece of an Atlassian document.
type node struct {
	Type    string          `json:"type"`
	Version int             `json:"version"`
	Text    string          `json:"text"`
	Content []node          `json:"content"`
	Attrs   json.RawMessage `json:"attrs"`
}

// isADF says whether raw is an Atlassian document: type doc, version 1, typed nodes in it.
func isADF(raw json.RawMessage) bool {
	var doc node
	return json.Unmarshal(raw, &doc) == nil && doc.Type == "doc" && doc.Version == 1 && typed(doc.Content)
}

func typed(nodes []node) bool {
	for _, n := range nodes {
		if n.Type == "" || (n.Type == "text" && n.Text == "") || !typed(n.Content) {
			return false
		}
	}
	return true
}

// adfText is the plain text of a document, a line for each block.
func adfText(raw json.RawMessage) string {
	var doc node
	if len(raw) == 0 || json.Unmarshal(raw, &doc) != nil {
		return ""
	}
	var b strings.Builder
	flatten(&b, doc)
	return strings.TrimSpace(b.String())
}

func flatten(b *strings.Builder, n node) {
	switch n.Type {
	case "text":
		b.WriteString(n.Text)
	case "hardBreak":
		b.WriteByte('\n')
	case "inlineCard":
		var at struct {
			URL string `json:"url"`
		}
		if json.Unmarshal(n.Attrs, &at) == nil {
			b.WriteString(at.URL)
		}
	}
	for _, c := range n.Content {
		flatten(b, c)
	}
	if n.Type == "paragraph" || n.Type == "heading" {
		b.WriteByte('\n')
	}
}

// paragraph is a document of one paragraph.
func paragraph(text string) json.RawMessage {
	doc := map[string]any{"type": "doc", "version": 1, "content": []any{
		map[string]any{"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": text}}}}}
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil // strings can be marshalled, always
	}
	return raw
}
