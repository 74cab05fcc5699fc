import { defineConfig } from "drizzle-kit";

export default defineConfig({ dialect: "sqlite", schema: "./src/db/schema/tables-sqlite.ts", out: "./drizzle/sqlite" });
