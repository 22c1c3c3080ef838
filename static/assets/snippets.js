// Ready-made examples. Every text from outside goes through the quoting of the language
// that it is put into, so that an example does what it shows and nothing else.

/**
 * What an example is made of. Without a token it reads the environment variable TOKEN.
 * @typedef {{url: string, server: string, token: string | null}} Input
 */

/** Quotes for POSIX shells. @param {string} text */
export const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Quotes for PowerShell, where typographic quotes end a text too. @param {string} text */
export const powershell = (text) => `'${text.replace(/['‘’‚‛]/g, "$&$&")}'`;

/** Quotes for Python and JavaScript. @param {string} text */
export const literal = (text) =>
  JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

/** The Authorization header as one shell word. @param {string | null} token */
const shellHeader = (token) =>
  token === null ? '"Authorization: Bearer $TOKEN"' : shell(`Authorization: Bearer ${token}`);

/** @param {string | null} token */
const pythonToken = (token) => (token === null ? 'os.environ["TOKEN"]' : literal(token));

/** @param {string | null} token */
const pythonImports = (token, library) =>
  token === null ? `import os\n\nimport ${library}` : `import ${library}`;

/** Brackets and braces in a URL are patterns to curl unless told otherwise. @param {string} url */
const globbing = (url) => (/[[\]{}]/.test(url) ? " --globoff" : "");

/**
 * The examples, in the order of the tabs. `bare` ones never hold the token.
 * @type {{id: string, label: string, hint: string, bare?: boolean, write: (input: Input) => string}[]}
 */
export const tools = [
  {
    id: "curl",
    label: "curl",
    hint: "For bash, zsh and other POSIX shells.",
    write: ({ url, token }) =>
      `curl --fail-with-body${globbing(url)} \\\n  --header ${shellHeader(token)} \\\n  --url ${shell(url)}`,
  },
  {
    id: "httpie",
    label: "HTTPie",
    hint: "HTTPie 3 or later.",
    write: ({ url, token }) =>
      `http --auth-type=bearer --auth=${token === null ? '"$TOKEN"' : shell(token)} \\\n  GET ${shell(url)}`,
  },
  {
    id: "requests",
    label: "Python requests",
    hint: "pip install requests",
    write: ({ url, token }) =>
      `${pythonImports(token, "requests")}

token = ${pythonToken(token)}
response = requests.get(
    ${literal(url)},
    headers={"Authorization": f"Bearer {token}"},
    timeout=30,
)
response.raise_for_status()
print(response.text)`,
  },
  {
    id: "httpx",
    label: "Python httpx",
    hint: "pip install httpx",
    write: ({ url, token }) =>
      `${pythonImports(token, "httpx")}

token = ${pythonToken(token)}
with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
    response = client.get(${literal(url)})
    response.raise_for_status()
    print(response.text)`,
  },
  {
    id: "powershell",
    label: "PowerShell",
    hint: "Windows PowerShell 5.1 and PowerShell 7.",
    write: ({ url, token }) =>
      `$headers = @{ Authorization = "Bearer " + ${token === null ? "$env:TOKEN" : powershell(token)} }
Invoke-RestMethod -Uri ${powershell(url)} -Headers $headers`,
  },
  {
    id: "fetch",
    label: "JavaScript",
    hint: "Node 18 or later, as a module; in a browser put the token in.",
    write: ({ url, token }) =>
      `const token = ${token === null ? "process.env.TOKEN" : literal(token)};
const response = await fetch(${literal(url)}, {
  headers: { Authorization: \`Bearer \${token}\` },
});
if (!response.ok) throw new Error(\`\${response.status} \${response.statusText}\`);
console.log(await response.text());`,
  },
  {
    id: "gdal",
    label: "GDAL",
    hint: "GDAL 3.6 or later; QGIS and rasterio read the same setting.",
    write: ({ url, token }) =>
      `export GDAL_HTTP_HEADERS=${shellHeader(token)}\ngdalinfo ${shell(`/vsicurl/${url}`)}`,
  },
  {
    id: "environment",
    label: "Environment",
    hint: "The other examples read the variable TOKEN where the token is left out.",
    write: ({ token }) =>
      token === null
        ? `# bash and zsh: paste the token and press Enter; it is neither shown nor kept in the history
read -rs TOKEN && export TOKEN

# PowerShell 7
$env:TOKEN = Read-Host -MaskInput`
        : `# bash, zsh and other POSIX shells
export TOKEN=${shell(token)}

# PowerShell
$env:TOKEN = ${powershell(token)}`,
  },
  {
    id: "token2go",
    label: "token2go",
    hint: "The token2go client fetches a fresh token through the browser: nothing to paste.",
    bare: true,
    write: ({ url, server }) =>
      `token=$(token2go get ${shell(server)})

curl --fail-with-body${globbing(url)} \\
  --header "Authorization: Bearer $token" \\
  --url ${shell(url)}`,
  },
];
