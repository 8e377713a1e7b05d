// Shows the description of the HTTP interface with Swagger UI.

const place = document.getElementById("docs");
globalThis.SwaggerUIBundle({ url: place.dataset.url, domNode: place, deepLinking: true, tryItOutEnabled: true });
