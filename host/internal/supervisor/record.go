package supervisor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"
)

// Bounds of one record of a plugin.
const (
	maxMessage = 16 << 10
	maxField   = 4 << 10
	maxFields  = 64
)

// parseRecord reads a line as go-hclog writes it in JSON; ok is false for anything else. It takes what it can: a record
// whose level is missing or odd is one of level info, fields beyond the bounds are cut, and a field that is called like
// one of the host's own gets another name.
func parseRecord(line []byte) (level hclog.Level, message string, fields []any, ok bool) {
	if len(line) == 0 || line[0] != '{' {
		return 0, "", nil, false
	}
	var record map[string]any
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber() // ids of vendors are larger than a float's integers
	if decoder.Decode(&record) != nil || decoder.InputOffset() != int64(len(bytes.TrimSpace(line))) {
		return 0, "", nil, false
	}
	text, ok := record["@message"].(string)
	if !ok {
		return 0, "", nil, false
	}
	name, _ := record["@level"].(string)
	if level = hclog.LevelFromString(name); level == hclog.NoLevel || level == hclog.Off {
		level = hclog.Info
	}
	if module, isText := record["@module"].(string); isText && module != "" {
		fields = append(fields, "module", printable(cut(module, maxField)))
	}
	return level, printable(cut(text, maxMessage)), appendFields(fields, record), true
}

func appendFields(fields []any, record map[string]any) []any {
	names := make([]string, 0, len(record))
	for name := range record {
		if !strings.HasPrefix(name, "@") { // hclog's own
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		if i == maxFields {
			return append(fields, "fields_left_out", len(names)-maxFields)
		}
		fields = append(fields, fieldName(name), fieldValue(record[name]))
	}
	return fields
}

// fieldName keeps a plugin from speaking in the host's name.
func fieldName(name string) string {
	switch name {
	case "plugin", "module", "stream", "alone", "stack", "lines", "fields_left_out":
		return "its_" + name
	case "":
		return "its_"
	}
	return printable(cut(name, maxField))
}

// fieldValue makes a plain value: a nested one becomes its JSON.
func fieldValue(v any) any {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return v
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		return printable(cut(v.String(), maxField))
	case string:
		return printable(cut(v, maxField))
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprintf("%T", v)
		}
		return printable(cut(string(text), maxField))
	}
}

// cut bounds a text and says so.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit] + fmt.Sprintf("… (%d bytes more)", len(s)-limit)
}

// printable makes a text safe for a terminal and for a log of one line a record: what is no UTF-8, and what is no
// character to be seen, is written as Go would.
func printable(s string) string {
	odd := func(r rune) bool { return r == utf8.RuneError || r != '\t' && !unicode.IsPrint(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, odd) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if odd(r) {
			quoted := strconv.Quote(s[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}
