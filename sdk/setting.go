package sdk

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decode reads one value. Its errors say what is wanted and never what was there, which may be a secret.
func (s *setting) decode(raw json.RawMessage, target reflect.Value) error {
	for target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	if !isLeaf(target.Type()) {
		return decodeStrict(raw, target)
	}
	text, isString := textOf(raw)
	switch {
	case target.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil || !isString {
			return errors.New(`must be a duration such as "30s" or "5m"`)
		}
		target.SetInt(int64(d))
	case isText(target.Type()):
		u, ok := target.Addr().Interface().(encoding.TextUnmarshaler)
		if !ok || !isString || u.UnmarshalText([]byte(text)) != nil {
			return fmt.Errorf("is not written as a %s is", target.Type())
		}
	case target.Kind() == reflect.String:
		if !isString {
			return errors.New("must be text; put it in quotes")
		}
		if len(s.enum) > 0 && !slices.Contains(s.enum, text) {
			return fmt.Errorf("must be one of: %s", strings.Join(s.enum, ", "))
		}
		target.SetString(text)
	default:
		return decodeScalar(text, target)
	}
	return nil
}

// decodeScalar reads a boolean or a number, which may have come as text.
func decodeScalar(text string, target reflect.Value) error {
	switch target.Kind() {
	case reflect.Bool:
		switch text {
		case "true", "false":
			target.SetBool(text == "true")
			return nil
		}
		return errors.New("must be true or false")
	case reflect.Float32, reflect.Float64:
		f, err := strconv.ParseFloat(text, target.Type().Bits())
		if err != nil || !json.Valid([]byte(text)) {
			return errors.New("must be a number")
		}
		target.SetFloat(f)
		return nil
	}
	whole, ok := new(big.Int).SetString(text, 10)
	switch {
	case !ok || strings.HasPrefix(text, "+"):
		return errors.New("must be a whole number")
	case target.CanInt():
		if whole.IsInt64() && !target.OverflowInt(whole.Int64()) {
			target.SetInt(whole.Int64())
			return nil
		}
	case whole.Sign() < 0:
		return errors.New("must not be negative")
	case whole.IsUint64() && !target.OverflowUint(whole.Uint64()):
		target.SetUint(whole.Uint64())
		return nil
	}
	return errors.New("is too large a number")
}

// decodeStrict reads lists, maps and what stands in them; members that the type does not know are refused.
func decodeStrict(raw json.RawMessage, target reflect.Value) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(target.Addr().Interface())
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("at %s: must be %s", pointerOf(kind.Field), shape(kind.Type))
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return fmt.Errorf("must be %s", shape(target.Type()))
}

// shape names what a value of type t looks like in the settings.
func shape(t reflect.Type) string {
	switch t = deref(t); t.Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	default:
		return "a " + t.Kind().String()
	}
}

// textOf is the content of a JSON string, or any other value as it is written.
func textOf(raw json.RawMessage) (text string, isString bool) {
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		return text, true
	}
	return string(raw), false
}

// isLeaf says whether t is one value that can be written as text.
func isLeaf(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Array, reflect.Map, reflect.Interface:
		return isText(t)
	}
	return true
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// recursive says whether a value of type t can hold another of the same type.
func recursive(t reflect.Type, within []reflect.Type) bool {
	switch t = deref(t); t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return recursive(t.Elem(), within)
	case reflect.Struct:
		if slices.Contains(within, t) {
			return true
		}
		if mapped(t) != nil || isText(t) {
			return false
		}
		within = append(slices.Clone(within), t)
		for i := range t.NumField() {
			if recursive(t.Field(i).Type, within) {
				return true
			}
		}
	}
	return false
}

// fieldAt is the field by its index, with embedded pointers on the way made.
func fieldAt(v reflect.Value, index []int) reflect.Value {
	for _, i := range index {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(i)
	}
	return v
}
