package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"dvagent/internal/spelling"
)

// What is often written in place of what is meant, and what to write instead.
// The shape of document says what each key wants.

// typeOf is the type of a key, such as certificate[1].deploy[0].check; nil where
// there is no such key.
func typeOf(key string) reflect.Type {
	t := reflect.TypeFor[document]()
	for _, segment := range strings.Split(indices().ReplaceAllString(key, ""), ".") {
		for t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		switch t.Kind() {
		case reflect.Map:
			t = t.Elem()
			continue
		case reflect.Struct:
		default:
			return nil
		}
		field, found := t.FieldByNameFunc(func(name string) bool {
			field, _ := t.FieldByName(name)
			return field.Tag.Get("toml") == segment
		})
		if !found {
			return nil
		}
		t = field.Type
	}
	return t
}

// keysIn are the keys of a table, by its type.
func keysIn(t reflect.Type) []string {
	for t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for i := range t.NumField() {
		keys = append(keys, t.Field(i).Tag.Get("toml"))
	}
	return keys
}

// isTables says that the type is of tables that may stand several times.
func isTables(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// header is how a table is begun: [dns], [account.main] or [[certificate]].
func header(name string) string {
	switch t := typeOf(name); {
	case t != nil && isTables(t):
		return "[[" + name + "]]"
	case t != nil && t.Kind() == reflect.Map:
		return "[" + name + ".NAME]"
	}
	return "[" + name + "]"
}

// tables are those of the document, whose keys are not repeated here.
var tables = []string{"account", "contact", "dns", "certificate", "certificate.deploy", "hook", "notify", "limits", "service", "fleet", "messages"}

// tableOf is the type of a table; "" is the document.
func tableOf(table string) reflect.Type {
	if table == "" {
		return reflect.TypeFor[document]()
	}
	return typeOf(table)
}

// meant says which key or table was likely meant by one that there is not.
func meant(key string) string {
	table, name, _ := cutLast(indices().ReplaceAllString(key, ""))
	if tableOf(table) == nil { // that is the one which there is not
		return meant(table)
	}
	if place := belongs(table, name); place != "" {
		return place
	}
	near := spelling.Nearest(name, keysIn(tableOf(table)))
	if other := elsewhere[strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))]; slices.Contains(keysIn(tableOf(table)), other) {
		near = other
	}
	switch {
	case near == "":
		return "agent.toml.example shows every key"
	case table == "" && slices.Contains(tables, near):
		near = header(near)
	}
	return "did you mean " + near + "?"
}

// elsewhere are the names that keys have in other programs, without underscores.
var elsewhere = map[string]string{
	"phone": "mobile", "tel": "mobile", "telephone": "mobile", "mail": "email", "contactid": "id",
	"ak": "access_key_id", "accesskey": "access_key_id", "keyid": "access_key_id",
	"sk": "access_key_secret", "secretkey": "access_key_secret", "accesssecret": "access_key_secret", "secret": "access_key_secret",
	"san": "domains", "sans": "domains", "names": "domains", "hosts": "domains", "servernames": "domains", "days": "renew_before",
	"endpoint": "cas_endpoint", "keyfile": "key", "certfile": "cert", "chainfile": "chain", "webhook": "url",
	"reloadcmd": "reload", "posthook": "reload", "locale": "language", "port": "listen", "address": "listen",
}

// meantTable says which table was likely meant by one that there is not.
func meantTable(key string) string {
	plain := indices().ReplaceAllString(key, "")
	_, last, _ := cutLast(plain)
	first, rest, named := strings.Cut(plain, ".")
	for _, table := range tables { // of another table: [[deploy]]
		if _, name, below := cutLast(table); below && spelling.Nearest(last, []string{name}) != "" {
			return "did you mean " + header(table) + "?"
		}
	}
	near := spelling.Nearest(first, tables)
	switch t := typeOf(near); {
	case near == "":
		return "agent.toml.example shows every table"
	case named && t.Kind() == reflect.Map:
		return "did you mean [" + near + "." + rest + "]?"
	}
	return "did you mean " + header(near) + "?"
}

// belongs says which other table knows a key.
func belongs(table, name string) string {
	var found []string
	for _, other := range tables {
		if other != table && slices.Contains(keysIn(tableOf(other)), name) {
			found = append(found, header(other))
		}
	}
	switch {
	case len(found) > 0:
		return "it belongs below " + strings.Join(found, " or ")
	case table != "" && slices.Contains(keysIn(tableOf("")), name):
		return "it belongs above the first table"
	}
	return ""
}

// wants says of a type what a value of it looks like.
func wants(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isTables(t):
		return "it wants a table in double brackets for each one"
	case t.Kind() == reflect.Map, t.Kind() == reflect.Struct:
		return "it wants a table"
	case t.Kind() == reflect.Slice:
		return "it wants a list of texts in quotes"
	case t.Kind() == reflect.String:
		return "it wants a text in quotes"
	case t.Kind() == reflect.Bool:
		return "it wants true or false"
	}
	return "it wants a whole number"
}

// unlike is the error about a key whose value, at that place, is not what it
// wants; ours is nil where the key is not known to be at fault.
func unlike(text string, p place) *Error {
	t := typeOf(p.key)
	if parent, _, found := cutLast(p.key); found && typeOf(parent) != nil && typeOf(parent).Kind() == reflect.Map && !strings.HasPrefix(lineAt(text, p.line), "[") {
		return &Error{Line: lineOf(places(text), parent), Key: parent, Err: fmt.Errorf("it wants a table with a name"),
			Hint: fmt.Sprintf("write [%s.main] in place of [%s]", parent, parent)}
	}
	if t == nil {
		return nil
	}
	e := &Error{Line: p.line, Key: p.key, Err: fmt.Errorf("%s", wants(t))}
	switch plain := indices().ReplaceAllString(p.key, ""); {
	case isTables(t) || t.Kind() == reflect.Struct || t.Kind() == reflect.Map:
		if e.Line == 0 {
			e.Line = firstWithin(text, plain)
		}
		if line := lineAt(text, e.Line); strings.HasPrefix(line, "[") {
			e.Hint = fmt.Sprintf("write %s in place of %s", header(plain), line)
		} else {
			e.Hint = "write " + header(plain) + " in a line of its own, and its keys below"
		}
	default:
		e.Hint = instead(t, lineAt(text, p.line))
	}
	return e
}

func cutLast(key string) (parent, name string, found bool) {
	at := strings.LastIndex(key, ".")
	if at < 0 {
		return "", key, false
	}
	return key[:at], key[at+1:], true
}

// firstWithin is the line of the first key or table within a table.
func firstWithin(text, table string) int {
	for _, p := range places(text) {
		if strings.HasPrefix(indices().ReplaceAllString(p.key, "")+".", table+".") {
			return p.line
		}
	}
	return 0
}

func lineAt(text string, number int) string {
	lines := strings.Split(text, "\n")
	if number < 1 || number > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[number-1])
}

// assignment is a key and a value, or what somebody takes for it.
var assignment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Za-z0-9_-]+)(?:\s*[=:＝：]\s*|\s+)([^#=:＝：\s][^#]*?)\s*(?:#.*)?$`)
})

// instead is what to write in place of a line whose value is not of a type, or where
// to see it.
func instead(t reflect.Type, line string) string {
	m := assignment().FindStringSubmatch(line)
	if m == nil {
		return shownThere
	}
	key, value := m[1], valueFor(t, m[1], m[2])
	words, few := choices()[key]
	switch {
	case value == "" && few:
		return fmt.Sprintf("write %s = %s", key, quotedAny(words))
	case value == "":
		return shownThere
	}
	return fmt.Sprintf("write %s = %s", key, value)
}

// quotedAny lists words, each as it is written.
func quotedAny(words []string) string {
	var quoted []string
	for _, word := range words {
		quoted = append(quoted, strconv.Quote(word))
	}
	return strings.Join(quoted, " or ")
}

const shownThere = "agent.toml.example shows how it is written"

// valueFor makes a value of a type of what was written. A secret is not repeated.
func valueFor(t reflect.Type, key, written string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if isSecret(key) {
		return `"…"`
	}
	if one, found := strings.CutPrefix(written, "["); found && t.Kind() != reflect.Slice && !strings.Contains(one, ",") {
		written = strings.TrimSuffix(one, "]")
	}
	bare := strings.Trim(written, `"'“”‘’ `)
	if words, few := choices()[key]; few && t.Kind() == reflect.String {
		if bare = spelling.Nearest(bare, words); bare == "" {
			return ""
		}
	}
	switch t.Kind() {
	case reflect.Slice:
		return list(key, written)
	case reflect.String:
		if strings.ContainsAny(bare, `[]{}"\`) || bare == "" {
			return ""
		}
		return strconv.Quote(unit(key, bare))
	case reflect.Bool:
		return map[string]string{"yes": "true", "on": "true", "true": "true", "1": "true",
			"no": "false", "off": "false", "false": "false", "0": "false"}[strings.ToLower(bare)]
	case reflect.Int, reflect.Int64:
		if n, err := strconv.Atoi(bare); err == nil {
			return strconv.Itoa(n)
		}
	}
	return ""
}

// secrets are the keys whose values no error shows.
var secrets = []string{"access_key_id", "access_key_secret", "security_token", "password", "secret", "token", "url"}

func isSecret(key string) bool {
	_, name, _ := cutLast(key)
	return slices.Contains(secrets, name)
}

// commands are the keys whose values are a program and its arguments.
var commands = []string{"check", "reload", "command"}

// list makes a list of texts.
func list(key, written string) string {
	between := func(r rune) bool { return strings.ContainsRune(`,; "'“”‘’[]，、；［］【】　`, r) }
	var quoted []string
	for _, word := range strings.FieldsFunc(written, between) {
		quoted = append(quoted, strconv.Quote(word))
	}
	complicated := slices.Contains(commands, key) && strings.ContainsAny(strings.Trim(written, `"'`), "\"'`$|;&<>")
	if len(quoted) == 0 || complicated { // a shell would make more of it
		return ""
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// units are what numbers are likely meant in.
var units = map[string]string{
	"timeout": "s", "propagation_timeout": "s", "interval": "s", "order_deadline": "h", "forecast": "d", "renew_before": "d", "quorum": "%",
}

// unit completes a bare number, as of a mode or of a time.
func unit(key, value string) string {
	if strings.Trim(value, "0123456789") != "" {
		return value
	}
	if key == "mode" || key == "key_mode" {
		return fmt.Sprintf("%04s", value)
	}
	return value + units[key]
}
