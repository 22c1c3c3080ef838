package gateway_test

import (
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// element is one element of a page with all the text inside it.
type element struct {
	tag        string
	attributes map[string]string
	text       string
}

// page is a page's elements, in the order in which they begin.
type page []*element

// pageIn reads a page as a browser would. What of a caller's text became markup is an
// element or an attribute here, too.
func pageIn(t testing.TB, body string) page {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(body))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var all page
	var open []*element
	for {
		token, err := decoder.Token()
		switch found := token.(type) {
		case xml.StartElement:
			one := &element{tag: found.Name.Local, attributes: map[string]string{}}
			for _, attribute := range found.Attr {
				one.attributes[attribute.Name.Local] = attribute.Value
			}
			all, open = append(all, one), append(open, one)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, one := range open {
				one.text += string(found)
			}
		}
		if errors.Is(err, io.EOF) && len(all) > 0 {
			return all
		}
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
}

// with are the elements that have the tag.
func (p page) with(tag string) page {
	return slices.DeleteFunc(slices.Clone(p), func(one *element) bool { return one.tag != tag })
}

// text is what a person reads in the element of that id or data-id; it is empty where there is none.
func (p page) text(id string) string {
	for _, one := range p {
		if one.attributes["id"] == id || one.attributes["data-id"] == id {
			return strings.TrimSpace(one.text)
		}
	}
	return ""
}

// form is the page's one form: where it leads, and what it hides.
func (p page) form(t testing.TB) (action string, fields url.Values) {
	t.Helper()
	forms := p.with("form")
	if len(forms) != 1 || forms[0].attributes["method"] != "post" {
		t.Fatalf("got %d forms, want one that posts", len(forms))
	}
	fields = url.Values{}
	for _, one := range p.with("input") {
		if one.attributes["type"] == "hidden" {
			fields.Add(one.attributes["name"], one.attributes["value"])
		}
	}
	return forms[0].attributes["action"], fields
}

// shape is all that is markup in a page, without the values of attributes.
func (p page) shape() string {
	var shape strings.Builder
	for _, one := range p {
		names := make([]string, 0, len(one.attributes))
		for name := range one.attributes {
			names = append(names, name)
		}
		slices.Sort(names)
		shape.WriteString(one.tag + " " + strings.Join(names, ",") + "\n")
	}
	return shape.String()
}
