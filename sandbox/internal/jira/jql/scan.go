package jql

import "strings"

type token struct {
	text   string
	quoted bool
}

// scan cuts a query into words, quoted strings and operators. A word may hold brackets with quotes in them, as
// issue.property["my key"].path does.
func scan(s string) ([]token, error) {
	var toks []token
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == '"' || c == '\'':
			text, n, ok := quoted(s[i:])
			if !ok {
				return nil, faultf("Error in the JQL Query: The quoted string '%s' has not been completed.", s[i+1:])
			}
			toks = append(toks, token{text, true})
			i += n
		case strings.IndexByte("(),~", c) >= 0:
			toks = append(toks, token{text: s[i : i+1]})
			i++
		case strings.IndexByte("=!<>&|", c) >= 0:
			n := 1
			if i+1 < len(s) && (s[i+1] == '=' || s[i+1] == '~' || ((c == '&' || c == '|') && s[i+1] == c)) {
				n = 2
			}
			toks = append(toks, token{text: s[i : i+n]})
			i += n
		default:
			n := word(s[i:])
			toks = append(toks, token{text: s[i : i+n]})
			i += n
		}
	}
	return toks, nil
}

func quoted(s string) (text string, n int, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), i + 1, true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, false
}

func word(s string) int {
	depth := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth <= 0 && strings.IndexByte(" \t\r\n\"'(),~=!<>&|", c) >= 0:
			return max(i, 1)
		}
	}
	return len(s)
}
