import { testSeeds } from "./seeds.ts";

testSeeds("day", "odd");
