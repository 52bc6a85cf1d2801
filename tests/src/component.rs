//! Components for tests of packages: the shape of a plugin, and functions that do nothing.
//!
//! In: names of interfaces and functions. Out: a valid component.
//! Never: anything that could be called with sense.

use wasm_encoder::{
    Alias, CanonicalFunctionSection, CanonicalOption, CodeSection, Component, ComponentAliasSection, ComponentExportKind,
    ComponentExportSection, ComponentImportSection, ComponentInstanceSection, ComponentTypeRef, ComponentTypeSection,
    ComponentValType, ExportKind, ExportSection, Function, FunctionSection, InstanceSection, InstanceType, Module, ModuleArg,
    ModuleSection, TypeSection,
};

type NoParameters = [(&'static str, ComponentValType); 0];

/// Interfaces with their functions.
pub type Interfaces<'n> = &'n [(&'n str, &'n [&'n str])];

/// The smallest plugin that can read news.
pub const FEED: Interfaces<'static> = &[("beffroi:plugin/plugin@0.1.0", &["check"]), ("beffroi:plugin/feed@0.1.0", &["poll"])];

/// A core module with one function that does nothing.
pub fn module() -> Module {
    let mut module = Module::new();
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut exports = ExportSection::new();
    exports.export("nothing", ExportKind::Func, 0);
    let mut code = CodeSection::new();
    let mut body = Function::new([]);
    body.instructions().end();
    code.function(&body);
    module.section(&types).section(&functions).section(&exports).section(&code);
    module
}

/// A component that imports and exports these.
pub fn component(imports: Interfaces<'_>, exports: Interfaces<'_>) -> Vec<u8> {
    let mut out = Component::new();
    let mut types = ComponentTypeSection::new();
    let mut imported = ComponentImportSection::new();
    let mut count = 0;
    for (name, functions) in imports {
        let mut ty = InstanceType::new();
        ty.ty().function().params::<NoParameters, _>([]).result(None);
        for function in *functions {
            ty.export(*function, ComponentTypeRef::Func(0));
        }
        types.instance(&ty);
        imported.import(*name, ComponentTypeRef::Instance(count));
        count += 1;
    }
    types.function().params::<NoParameters, _>([]).result(None);
    out.section(&types).section(&imported).section(&ModuleSection(&module()));
    let mut instances = InstanceSection::new();
    instances.instantiate(0, Vec::<(&str, ModuleArg)>::new());
    let mut aliases = ComponentAliasSection::new();
    aliases.alias(Alias::CoreInstanceExport { instance: 0, kind: ExportKind::Func, name: "nothing" });
    let mut lifted = CanonicalFunctionSection::new();
    lifted.lift(0, count, Vec::<CanonicalOption>::new());
    let mut made = ComponentInstanceSection::new();
    let mut exported = ComponentExportSection::new();
    for (name, functions) in exports {
        let items: Vec<(&str, ComponentExportKind, u32)> =
            functions.iter().map(|name| (*name, ComponentExportKind::Func, 0)).collect();
        made.export_items(items);
        exported.export(*name, ComponentExportKind::Instance, count, None);
        count += 1;
    }
    out.section(&instances).section(&aliases).section(&lifted).section(&made).section(&exported);
    out.finish()
}

/// A manifest that asks for nothing, with more behind it.
pub fn manifest(name: &str, version: &str, more: &str) -> String {
    format!(
        "[plugin]\nname = \"{name}\"\nversion = \"{version}\"\napi = \"0.1\"\ntitle = {{ fr = \"{name}\", en = \"{name}\" }}\n\
         summary = {{ fr = \"Un essai.\", en = \"A trial.\" }}\nlicense = \"MIT\"\n{more}"
    )
}
