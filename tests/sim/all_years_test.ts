import { testSeeds } from "./seeds.ts";

testSeeds("year", "years of all");
