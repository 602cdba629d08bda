// The Express app as an ES module. In: PORT, GENKIT_ENV. Out: the flows over HTTP (see express_app.cjs).
import { expressHandler } from "@genkit-ai/express";
import express from "express";
import { InMemoryStreamManager, UserFacingError, genkit, z } from "genkit/beta";
import { apiKey } from "genkit/context";
import expressApp from "./express_app.cjs";
import flowsModule from "./flows.cjs";

const { SECRET_HEADER, defineFlows } = flowsModule;
const { flows, report } = defineFlows({ ai: genkit({ name: "interop-express" }), z, UserFacingError });
expressApp.serve({ express, expressHandler, apiKey, InMemoryStreamManager, flows, report, SECRET_HEADER });
