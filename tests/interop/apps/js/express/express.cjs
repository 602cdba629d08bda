// The Express app in CommonJS. In: PORT, GENKIT_ENV. Out: the flows over HTTP (see express_app.cjs).
"use strict";

const { expressHandler } = require("@genkit-ai/express");
const express = require("express");
const { InMemoryStreamManager, UserFacingError, genkit, z } = require("genkit/beta");
const { apiKey } = require("genkit/context");
const { serve } = require("./express_app.cjs");
const { SECRET_HEADER, defineFlows } = require("./flows.cjs");

const { flows, report } = defineFlows({ ai: genkit({ name: "interop-express-cjs" }), z, UserFacingError });
// Releases before durable streams export no stream manager: then nothing is served at /durable and /brief.
serve({ express, expressHandler, apiKey, InMemoryStreamManager, flows, report, SECRET_HEADER });
