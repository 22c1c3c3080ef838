package demo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Person is someone who can sign in.
type Person struct {
	Subject  string // the provider's permanent ID of the person
	Username string
	Name     string
	Email    string
	Groups   []string
}

// People are the default pretend people.
func People() []Person {
	return []Person{
		{
			Subject: "5f0c4a52-0a6e-4f0e-9d53-0000000000a1", Username: "ada.analyst",
			Name: "Ada Analyst", Email: "ada.analyst@example.org", Groups: []string{"analysts", "staff"},
		},
		{
			Subject: "5f0c4a52-0a6e-4f0e-9d53-0000000000a2", Username: "omar.operator",
			Name: "Omar Operator", Email: "omar.operator@example.org", Groups: []string{"operators", "staff"},
		},
		{
			Subject: "5f0c4a52-0a6e-4f0e-9d53-0000000000a3", Username: "nora.newcomer",
			Name: "Nora Newcomer", Email: "nora.newcomer@example.org",
		},
	}
}

// Initials are up to two letters, shown in place of a picture.
func (p Person) Initials() string {
	var letters []rune
	for word := range strings.FieldsSeq(p.Name) {
		letters = append(letters, []rune(word)[0])
	}
	return string(letters[:min(len(letters), 2)])
}

func checkPeople(people []Person) error {
	if people != nil && len(people) == 0 {
		return errors.New("people: got none, want at least one")
	}
	var seen []string
	for _, person := range people {
		if person.Username == "" || person.Subject == "" || slices.Contains(seen, person.Username) {
			return fmt.Errorf("people: got %q, want a subject and a unique username for each", person.Username)
		}
		seen = append(seen, person.Username)
	}
	return nil
}

func (g *Gateway) person(username string) (Person, bool) {
	at := slices.IndexFunc(g.people, func(p Person) bool { return p.Username == username })
	if at < 0 {
		return Person{}, false
	}
	return g.people[at], true
}
