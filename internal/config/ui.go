package config

// UI is what the operator writes on the token page.
type UI struct {
	Target     string `name:"T2G_UI_TARGET" meaning:"Name of the product that the tokens are for." example:"Data Hub"`
	Title      string `name:"T2G_UI_TITLE" otherwise:"made from T2G_UI_TARGET" meaning:"Title of the page." example:"Tokens for Data Hub"`
	Desc1      string `name:"T2G_UI_DESC1" is:"html" otherwise:"an explanation" meaning:"Text under the title." example:"Your token for the <b>Data Hub</b>"`
	Desc2      string `name:"T2G_UI_DESC2" is:"html" meaning:"A second paragraph." example:"Keep it to yourself."`
	Misc       string `name:"T2G_UI_MISC" is:"html" meaning:"A section at the bottom of the page." example:"<a href='https://help.example.org/'>Help</a>"`
	SignInURL  string `name:"T2G_UI_SIGN_IN_URL" is:"link" meaning:"Where the page sends people to sign in again." example:"/oauth2/sign_in"`
	SignOutURL string `name:"T2G_UI_SIGN_OUT_URL" is:"link" meaning:"Where the page sends people to sign out." example:"/oauth2/sign_out"`
}
