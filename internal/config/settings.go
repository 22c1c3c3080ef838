package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
)

// Setting is one variable as it takes effect.
type Setting struct {
	Name  string
	Value string // normalised, in the form in which it can be given; a mask for a secret
	Set   bool   // false: the default
}

// Settings lists every variable in the order of the table. A secret that was read
// from a file counts as set.
func (c Config) Settings() []Setting {
	rows := table()
	settings := make([]Setting, len(rows))
	for i, row := range rows {
		value := reflect.ValueOf(c).FieldByName(row.field).Interface()
		set := c.given[row.Name] || row.Secret && c.given[row.Name+"_FILE"]
		settings[i] = Setting{Name: row.Name, Value: written(value), Set: set}
	}
	return settings
}

func written(value any) string {
	switch value := value.(type) {
	case []string:
		return strings.Join(value, ",")
	case []netip.Prefix:
		texts := make([]string, len(value))
		for i, prefix := range value {
			texts[i] = prefix.String()
		}
		return strings.Join(texts, ",")
	case *url.URL:
		if value == nil {
			return ""
		}
		return value.String()
	case fmt.Stringer:
		return strings.ToLower(value.String())
	}
	return fmt.Sprint(value)
}
