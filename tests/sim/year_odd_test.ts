import { testSeeds } from "./seeds.ts";

testSeeds("year", "odd");
