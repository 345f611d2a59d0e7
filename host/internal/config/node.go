package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a configuration file.
const (
	maxFileBytes = 1 << 20
	maxNodes     = 100_000 // aliases written out
	maxDepth     = 64
)

// nodeKind is what a node is in the file, before anybody says what it should be.
type nodeKind int

const (
	absent nodeKind = iota // also null: a key whose value is commented out
	text
	number
	boolean
	list
	object
)

// String names the kind as it follows "must be".
func (k nodeKind) String() string {
	return [...]string{"nothing", "text", "a number", "true or false", "a list", "a group of keys"}[k]
}

// node is a value with its place. Nodes are shared where the file has aliases, and never changed.
type node struct {
	kind    nodeKind
	line    int
	text    string // of a text as it means, of a number or boolean as JSON writes it
	items   []*node
	members []member
	weight  int // nodes below and this one, aliases written out
}

type member struct {
	key   string
	line  int
	value *node
}

// get answers the value of a key, or a node that is absent.
func (n *node) get(key string) *node {
	if n != nil {
		for _, m := range n.members {
			if m.key == key {
				return m.value
			}
		}
	}
	return &node{}
}

// lineError is a mistake in the file itself.
type lineError struct {
	line    int
	problem string
}

func (e *lineError) Error() string { return e.problem }

// parseYAML reads the one document of a file. Its error is a *lineError.
func parseYAML(data []byte) (*node, error) {
	if depth := nesting(data); depth > maxDepth {
		return nil, &lineError{problem: fmt.Sprintf("brackets nest deeper than %d levels", maxDepth)}
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, yamlError(err)
	}
	var root *node
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if root != nil {
			return nil, &lineError{lineOf(doc.Body), "the file holds a second document"}
		}
		c := converter{anchors: map[string]*node{}}
		if root, err = c.convert(doc.Body, 0); err != nil {
			return nil, err
		}
	}
	if root == nil {
		root = &node{}
	}
	return root, nil
}

// nesting bounds what the recursion of the parser can reach. Brackets in texts and comments count too, which a
// configuration can live with.
func nesting(data []byte) int {
	depth, deepest := 0, 0
	for _, b := range data {
		switch b {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return deepest
}

func yamlError(err error) *lineError {
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		e := &lineError{problem: syntax.Message}
		if syntax.Token != nil && syntax.Token.Position != nil {
			e.line = syntax.Token.Position.Line
		}
		return e
	}
	return &lineError{problem: "can't be read as YAML"} // the parser's own words may quote the file
}

func lineOf(n ast.Node) int {
	if t := n.GetToken(); t != nil && t.Position != nil {
		return t.Position.Line
	}
	return 0
}

// converter makes nodes of the parser's tree.
type converter struct {
	anchors map[string]*node
}

func (c *converter) convert(n ast.Node, depth int) (*node, error) {
	if n == nil {
		return &node{}, nil
	}
	if depth > maxDepth {
		return nil, &lineError{lineOf(n), fmt.Sprintf("values nest deeper than %d levels", maxDepth)}
	}
	out := &node{line: lineOf(n), weight: 1}
	var err error
	switch n := n.(type) {
	case *ast.NullNode, *ast.CommentGroupNode:
	case *ast.StringNode:
		out.kind, out.text = text, n.Value
	case *ast.LiteralNode:
		out.kind, out.text = text, n.Value.Value
	case *ast.BoolNode:
		out.kind, out.text = boolean, fmt.Sprint(n.Value)
	case *ast.IntegerNode:
		out.kind, out.text = number, numberText(n.Token, n.Value)
	case *ast.FloatNode:
		out.kind, out.text = number, numberText(n.Token, n.Value)
	case *ast.SequenceNode:
		err = c.sequence(out, n, depth)
	case *ast.MappingNode:
		err = c.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		err = c.mapping(out, []*ast.MappingValueNode{n}, depth)
	case *ast.AnchorNode:
		if out, err = c.convert(n.Value, depth+1); err == nil && n.Name != nil {
			c.anchors[n.Name.GetToken().Value] = out
		}
	case *ast.AliasNode:
		if out = c.anchors[n.Value.GetToken().Value]; out == nil {
			return nil, &lineError{lineOf(n), "an alias has no anchor before it"}
		}
	default:
		return nil, &lineError{lineOf(n), fmt.Sprintf("a value of the kind %v is not read here", n.Type())}
	}
	if err == nil && out.weight > maxNodes {
		err = &lineError{lineOf(n), fmt.Sprintf("aliases stand for more than %d values", maxNodes)}
	}
	return out, err
}

func (c *converter) sequence(out *node, n *ast.SequenceNode, depth int) error {
	out.kind = list
	for _, value := range n.Values {
		item, err := c.convert(value, depth+1)
		if err != nil {
			return err
		}
		out.items = append(out.items, item)
		out.weight += item.weight
	}
	return nil
}

func (c *converter) mapping(out *node, values []*ast.MappingValueNode, depth int) error {
	out.kind = object
	var merged []member
	for _, pair := range values {
		value, err := c.convert(pair.Value, depth+1)
		if err != nil {
			return err
		}
		out.weight += value.weight
		if pair.Key.IsMergeKey() {
			if value.kind != object {
				return &lineError{lineOf(pair.Key), "<< takes the alias of a group of keys"}
			}
			merged = append(merged, value.members...)
			continue
		}
		key, ok := keyText(pair.Key)
		if !ok {
			return &lineError{lineOf(pair.Key), "a key must be plain text"}
		}
		if slices.ContainsFunc(out.members, func(m member) bool { return m.key == key }) {
			return &lineError{lineOf(pair.Key), fmt.Sprintf("the key %q occurs twice", key)}
		}
		out.members = append(out.members, member{key, lineOf(pair.Key), value})
	}
	for _, m := range merged { // what stands in the group itself comes first
		if !slices.ContainsFunc(out.members, func(o member) bool { return o.key == m.key }) {
			out.members = append(out.members, m)
		}
	}
	return nil
}

// keyText answers the text of a key; a number or a boolean stands for what is written.
func keyText(key ast.Node) (string, bool) {
	switch k := key.(type) {
	case *ast.StringNode:
		return k.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		return k.GetToken().Value, true
	case *ast.MappingKeyNode:
		return keyText(k.Value)
	default:
		return "", false
	}
}

// numberText is the number as it is written, where JSON writes it so too, else (hexadecimal, 1_000, .5) by value.
func numberText(t *token.Token, value any) string {
	if written := strings.TrimSpace(t.Value); isNumber(written) {
		return written
	}
	return fmt.Sprint(value)
}

// isNumber says whether s is a JSON number.
func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') && json.Valid([]byte(s)) && strings.TrimSpace(s) == s
}

// readAll reads a file of at most limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data, err
}
