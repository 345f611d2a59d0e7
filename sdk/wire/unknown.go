package wire

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ErrUnknown is wrapped by each refusal of CheckUnknown.
var ErrUnknown = errors.New("not known to this version of the contract")

// CheckUnknown refuses what this side does not understand, in m and in all that it holds: a field that it does not
// know, and an enum that is unspecified or has a value that it does not know. The error names the path, the message
// and the field's number, and wraps ErrUnknown. A name in allowed, such as "bulkhead.plugin.v1.Route.19", is let
// through: that is how a feature says that one of its fields may be left out.
func CheckUnknown(m proto.Message, allowed ...string) error {
	if m == nil {
		return nil
	}
	return check(m.ProtoReflect(), allowed)
}

func check(m protoreflect.Message, allowed []string) error {
	descriptor := m.Descriptor()
	if raw := m.GetUnknown(); len(raw) > 0 {
		if err := checkRaw(descriptor, raw, allowed); err != nil {
			return err
		}
	}
	fields := descriptor.Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		// Only messages and enums can be at fault; the kind is read first because most fields are neither.
		if kind := field.Kind(); kind != protoreflect.MessageKind && kind != protoreflect.EnumKind {
			continue
		}
		if err := checkField(m, field, allowed); err != nil {
			return err
		}
	}
	return nil
}

func checkField(m protoreflect.Message, field protoreflect.FieldDescriptor, allowed []string) error {
	switch {
	case field.IsMap():
		return checkMap(m, field, allowed)
	case field.IsList():
		if !m.Has(field) {
			return nil
		}
		list := m.Get(field).List()
		for i := range list.Len() {
			if err := checkValue(field, list.Get(i), allowed); err != nil {
				return fmt.Errorf("%s[%d]: %w", field.Name(), i, err)
			}
		}
		return nil
	case field.HasPresence() && !m.Has(field):
		return nil
	}
	if err := checkValue(field, m.Get(field), allowed); err != nil {
		return fmt.Errorf("%s: %w", field.Name(), err)
	}
	return nil
}

func checkMap(m protoreflect.Message, field protoreflect.FieldDescriptor, allowed []string) error {
	value := field.MapValue()
	if kind := value.Kind(); kind != protoreflect.MessageKind && kind != protoreflect.EnumKind {
		return nil
	}
	var err error
	m.Get(field).Map().Range(func(key protoreflect.MapKey, v protoreflect.Value) bool {
		if err = checkValue(value, v, allowed); err != nil {
			err = fmt.Errorf("%s[%s]: %w", field.Name(), key.String(), err)
		}
		return err == nil
	})
	return err
}

func checkValue(field protoreflect.FieldDescriptor, value protoreflect.Value, allowed []string) error {
	if field.Kind() == protoreflect.MessageKind {
		return check(value.Message(), allowed)
	}
	number := value.Enum()
	if number == 0 {
		return fmt.Errorf("%s is unspecified, which is %w", field.Enum().FullName(), ErrUnknown)
	}
	if field.Enum().Values().ByNumber(number) == nil {
		return fmt.Errorf("value %d of %s is %w", number, field.Enum().FullName(), ErrUnknown)
	}
	return nil
}

// checkRaw walks the fields that the decoder did not know.
func checkRaw(message protoreflect.MessageDescriptor, raw protoreflect.RawFields, allowed []string) error {
	for len(raw) > 0 {
		number, _, size := protowire.ConsumeField(raw)
		if size < 0 {
			return fmt.Errorf("a broken field of %s is %w", message.FullName(), ErrUnknown)
		}
		if !slices.Contains(allowed, string(message.FullName())+"."+strconv.Itoa(int(number))) {
			return fmt.Errorf("field %d of %s is %w", number, message.FullName(), ErrUnknown)
		}
		raw = raw[size:]
	}
	return nil
}
