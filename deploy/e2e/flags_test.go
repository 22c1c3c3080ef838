package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// One oauth2-proxy serves Token2go and an app: what Token2go needs of it is not lost where
// it is started as the app's recipe says.
func TestAppRecipeKeepsGatewayFlags(t *testing.T) {
	for _, a := range forwardAuths() {
		flags := strings.Fields(command(t, read(t, appRecipe(a.name))))
		for flag := range strings.FieldsSeq(command(t, read(t, a.recipe))) {
			if !slices.Contains(flags, flag) {
				t.Errorf("%s leaves out %s of %s", appRecipe(a.name), flag, a.recipe)
			}
		}
	}
}
