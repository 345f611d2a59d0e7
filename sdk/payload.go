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
	media, err := mediaOf(job.ContentType)
	switch {
	case err != nil:
	case media == mediaForm:
		err = decodeForm(job.Data, in)
	case !isJSON(media):
		err = fmt.Errorf("content type %s is neither JSON nor a form: take []byte", media)
	case job.texts:
		err = decodeTexts(job.Data, in)
	default:
		err = json.Unmarshal(job.Data, in)
	}
	if err != nil {
		return Reject(fmt.Errorf("the payload does not fit the handler of %s: %w", job.Type, pointed(err)))
	}
	return nil
}

// mediaOf is the media type without its parameters; none at all is JSON, as facts are.
func mediaOf(contentType string) (string, error) {
	if contentType == "" {
		return mediaJSON, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", fmt.Errorf("content type %q: %w", contentType, err)
	}
	return media, nil
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

// decodeForm reads a form that comes as it was sent.
func decodeForm(body []byte, in any) error {
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return errors.New("the body is not a form")
	}
	if v, ok := in.(*url.Values); ok {
		*v = values
		return nil
	}
	types := memberTypes(in)
	object := make(map[string]any, len(values))
	for name, texts := range values {
		object[name] = textValue(texts, types[name])
	}
	return recode(object, in)
}

// decodeTexts reads what the host has made of a form or a query: an object whose members are texts or lists of them.
func decodeTexts(body []byte, in any) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return err
	}
	if v, ok := in.(*url.Values); ok {
		*v = url.Values{}
		for name, raw := range members {
			(*v)[name], _ = textsOf(raw)
		}
		return nil
	}
	types := memberTypes(in)
	object := make(map[string]any, len(members))
	for name, raw := range members {
		object[name] = raw
		if texts, ok := textsOf(raw); ok {
			object[name] = textValue(texts, types[name])
		}
	}
	return recode(object, in)
}

func recode(object map[string]any, in any) error {
	raw, err := json.Marshal(object)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, in)
}

// textsOf is a text, or a list of texts; false: something else.
func textsOf(raw json.RawMessage) ([]string, bool) {
	if text, ok := textOf(raw); ok {
		return []string{text}, true
	}
	var texts []string
	if json.Unmarshal(raw, &texts) != nil || len(texts) == 0 {
		return nil, false
	}
	return texts, true
}

// memberTypes are the types of the members that the struct in points to has; none for other types.
func memberTypes(in any) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	if t := reflect.TypeOf(in).Elem(); t.Kind() == reflect.Struct {
		for _, f := range fieldsOf(t) {
			types[f.name] = deref(f.typ)
		}
	}
	return types
}

// textValue is what stands in JSON for texts of one member, which goes into a field of type t (nil: unknown).
func textValue(texts []string, t reflect.Type) any {
	switch {
	case t == nil && len(texts) == 1:
		return texts[0]
	case t == nil, t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String:
		return texts
	case t.Kind() == reflect.String, t.Kind() == reflect.Interface, isText(t), !json.Valid([]byte(texts[0])):
		return texts[0]
	}
	return json.RawMessage(texts[0])
}

// isText says whether encoding/json reads t from a string by the type's own method.
func isText(t reflect.Type) bool {
	pointer := reflect.PointerTo(t)
	return t == reflect.TypeFor[time.Time]() || pointer.Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) &&
		!pointer.Implements(reflect.TypeFor[json.Unmarshaler]())
}
