package sdk

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"reflect"
	"strings"
	"time"
)

const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// decodePayload reads the job's data into the value that in points to. The host has validated it against the schema of
// that type already, so an error means that both disagree or that the type refuses the value: no repeat mends that.
func decodePayload(job *Job, in any) error {
	if raw, ok := in.(*[]byte); ok {
		*raw = job.Data
		return nil
	}
	if len(job.Data) == 0 { // a request without a body
		return nil
	}
	media := mediaJSON
	if job.ContentType != "" {
		parsed, _, err := mime.ParseMediaType(job.ContentType)
		if err != nil {
			return misfit(job, fmt.Errorf("content type %q: %w", job.ContentType, err))
		}
		media = parsed
	}
	switch {
	case isJSON(media):
		if err := json.Unmarshal(job.Data, in); err != nil {
			return misfit(job, pointed(err))
		}
	case media == mediaForm:
		if err := decodeForm(job.Data, in); err != nil {
			return misfit(job, pointed(err))
		}
	default:
		return misfit(job, fmt.Errorf("content type %s is neither JSON nor a form: take []byte", media))
	}
	return nil
}

func misfit(job *Job, err error) error {
	return Reject(fmt.Errorf("the payload does not fit the handler of %s: %w", job.Type, err))
}

func isJSON(media string) bool { return media == mediaJSON || strings.HasSuffix(media, "+json") }

// pointed says where in the document the decoder stumbled, as a JSON pointer, and never what stood there: payloads hold
// people's data, reasons are shown.
func pointed(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		got, _, _ := strings.Cut(kind.Value, " ")
		return fmt.Errorf("at %s: a %s does not go into a %s", pointerOf(kind.Field), got, kind.Type)
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("at byte %d: %w", syntax.Offset, err)
	}
	return err
}

// pointerOf makes a JSON pointer of encoding/json's dotted path.
func pointerOf(path string) string {
	if path == "" {
		return "the top"
	}
	return "/" + strings.ReplaceAll(path, ".", "/")
}

// decodeForm reads a form as a JSON object whose members are strings. Where the Go field wants something else, its text
// is taken as the JSON that it may be: a number, or the whole object that some vendors put into one field.
func decodeForm(body []byte, in any) error {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return errors.New("the body is not a form")
	}
	if v, ok := in.(*url.Values); ok {
		*v = values
		return nil
	}
	types := map[string]reflect.Type{}
	if t := reflect.TypeOf(in).Elem(); t.Kind() == reflect.Struct {
		for _, f := range fieldsOf(t) {
			types[f.name] = f.typ
		}
	}
	object := map[string]any{}
	for name, texts := range values {
		object[name] = formValue(texts, types[name])
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, in)
}

func formValue(texts []string, t reflect.Type) any {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == nil && len(texts) > 1, t != nil && t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return texts
	case t == nil, t.Kind() == reflect.String, isText(t):
		return texts[0]
	}
	if json.Valid([]byte(texts[0])) {
		return json.RawMessage(texts[0])
	}
	return texts[0]
}

// isText says whether encoding/json reads t from a string by the type's own method.
func isText(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	return t == reflect.TypeFor[time.Time]() || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) &&
		!pointer.Implements(reflect.TypeFor[json.Unmarshaler]())
}
