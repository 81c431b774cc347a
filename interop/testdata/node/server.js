const fs = require('fs'), http = require('http'), http2 = require('http2');

function answer(req, res) {
	const body = [];
	req.on('data', (chunk) => body.push(chunk));
	req.on('end', () => {
		fs.writeSync(1, `${req.method} ${req.url}\n`);
		const query = new URL(req.url, 'http://localhost').searchParams;
		setTimeout(() => res.end(`${req.method} ${query.get('id')} ${Buffer.concat(body)}\n`), query.get('wait') ?? 0);
	});
}

const pem = fs.readFileSync('{{.Cert}}');
const plain = http.createServer(answer);
const secure = http2.createSecureServer({
	key: pem, cert: pem, allowHTTP1: true,
{{- if .TLS12}}
	maxVersion: 'TLSv1.2',
{{- end}}
{{- if .ClientCA}}
	ca: fs.readFileSync('{{.ClientCA}}'), requestCert: true, rejectUnauthorized: true,
{{- end}}
}, answer);
{{- if .Closing}}
for (const s of [plain, secure]) {
	s.maxRequestsPerSocket = 5;
	s.keepAliveTimeout = 1000;
}
{{- end}}
plain.listen({{.Port}}, '127.0.0.1');
secure.listen({{.TLSPort}}, '127.0.0.1');
